"""How the packaged model `iq-small` is made: `python -m groundwave.recipes.iq_small`."""

from pathlib import Path
from typing import Any

from groundwave.model import Model
from groundwave.recipes.modulation import pretrain_on_pool
from groundwave.train import Schedule

BACKBONE: dict[str, Any] = {
    "towers": {
        "time": {"kind": "xcit", "dim": 128, "depth": 4, "num_heads": 4, "patch": 16},
        "frequency": {"kind": "spectrum", "dim": 128, "depth": 5, "powers": (1, 2, 4)},
    }
}
OBJECTIVE: dict[str, Any] = {"temperature": 0.2, "projection": 128, "answer": "modulation"}
SCHEDULE = Schedule(epochs=10, lr=1.5e-3, weight_decay=0.05)


def iq_small(out: Path = Path("runs/iq-small"), *, seed: int = 0, progress: bool = True) -> Model:
    """Pretrain `iq-small` on simulated records without labels; the model is saved in `out/model`.

    Args:
        out: folder of the run; an interrupted one is continued.
        seed: of initial weights, order and views.
        progress: whether to draw a progress bar.
    """
    return pretrain_on_pool(
        out,
        num_records=38_400,
        batch_size=256,
        schedule=SCHEDULE,
        backbone=BACKBONE,
        objective=OBJECTIVE,
        seed=seed,
        progress=progress,
    )


if __name__ == "__main__":
    from jsonargparse import auto_cli

    auto_cli(iq_small, as_positional=False)
