"""How the packaged model `iq-small` is made: `python -m groundwave.recipes.iq_small`."""

from pathlib import Path

from groundwave.data.sources import SceneSource
from groundwave.model import Model
from groundwave.pretrain.run import pretrain
from groundwave.recipes.modulation import BACKBONE, CONTRACT, OBJECTIVE, VIEWS, pool
from groundwave.train import Schedule

NUM_RECORDS = 38_400
BATCH_SIZE = 256
SCHEDULE = Schedule(epochs=10, lr=1.5e-3, weight_decay=0.05)


def iq_small(out: Path = Path("runs/iq-small"), *, seed: int = 0, progress: bool = True) -> Model:
    """Pretrain `iq-small` on simulated records without labels; the model is saved in `out/model`.

    Args:
        out: folder of the run; an interrupted one is continued.
        seed: of initial weights, order and views.
        progress: whether to draw a progress bar.
    """
    return pretrain(
        SceneSource(pool(), NUM_RECORDS),
        out=out,
        contract=CONTRACT,
        views=VIEWS,
        schedule=SCHEDULE,
        backbone_args=BACKBONE,
        objective_args=OBJECTIVE,
        batch_size=BATCH_SIZE,
        seed=seed,
        progress=progress,
    )


if __name__ == "__main__":
    from jsonargparse import auto_cli

    auto_cli(iq_small, as_positional=False)
