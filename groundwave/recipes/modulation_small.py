"""How the packaged model `modulation-small` is made: `python -m groundwave.recipes.modulation_small`."""

from pathlib import Path

from groundwave.model import Model
from groundwave.recipes.modulation import pretrain_on_pool
from groundwave.train import Schedule

SCHEDULE = Schedule(epochs=6, lr=2e-3, weight_decay=0.05)


def modulation_small(out: Path = Path("runs/modulation-small"), *, seed: int = 0, progress: bool = True) -> Model:
    """Pretrain `modulation-small` on simulated records without labels; the model is saved in `out/model`.

    Args:
        out: folder of the run; an interrupted one is continued.
        seed: of initial weights, order and views.
        progress: whether to draw a progress bar.
    """
    return pretrain_on_pool(out, num_records=38_400, batch_size=512, schedule=SCHEDULE, seed=seed, progress=progress)


if __name__ == "__main__":
    from jsonargparse import auto_cli

    auto_cli(modulation_small, as_positional=False)
