"""How the packaged model `spectrogram-small` is made: `python -m groundwave.recipes.spectrogram_small`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundwave.adapt.tuning import tune
from groundwave.bench.encoders import Pretraining, pretrained
from groundwave.model import Model
from groundwave.recipes.msm import SCENES, VIT
from groundwave.recipes.spectrogram_sets import Field, Sizes
from groundwave.tasks.segmentation import Segmentation
from groundwave.train import Schedule

SIZES = Sizes(pool=3000, train=1000, validation=200, test=100)
HEAD = Schedule(epochs=30, lr=2e-3, weight_decay=0.05)
DECODER = "conv"  # smooth borders of boxes, in 0.5 MB


def spectrogram_small(out: Path = Path("runs/spectrogram-small"), *, seed: int = 0, progress: bool = True) -> Model:
    """Pretrain `spectrogram-small` by masked modelling, and give it a head that tells what is in each cell.

    The backbone is a ViT of 192 x 6 on patches of 16 x 16 cells, pretrained without labels on simulated spectrograms,
    half of the 2.4 GHz band and half of cellular bands, and frozen then. The head tells noise and the class of an
    emitter. The model is saved in `out/model` and takes 11.4 MB, 10.9 of them for the backbone. A record takes 12 ms of
    one core (Xeon with AMX, bfloat16) in pretraining, so that 4000 x 80 of them take 3800 core-seconds, and the head
    takes 300 more: 35 minutes of two ideal cores.

    Args:
        out: folder of records and runs; an interrupted one is continued.
        seed: of initial weights, order, masks and split.
        progress: whether to draw a progress bar.
    """
    return made(out, VIT, HEAD, {name: {} for name in SCENES}, SIZES, seed, progress)


def made(
    out: Path,
    how: Pretraining,
    head: Schedule,
    scenes: Mapping[str, Mapping[str, Any]],
    sizes: Sizes,
    seed: int,
    progress: bool,
) -> Model:
    """Return a backbone pretrained on all records of `pool` and `train`, with a head that learned from the latter."""
    field = Field(name=out.name, scenes=scenes, sizes=sizes, seeds=(seed,), results=out, runs=out, smoke=False)
    (setting,) = field.settings_of()
    plan, source = setting.plan, setting.source
    backbone = pretrained(how, source, plan, out=out / "backbone", seed=seed, progress=progress)
    backbone.backbone.cpu()
    tuned = tune(
        backbone,
        Segmentation(("noise", *source.classes), decoder=DECODER),
        source,
        plan.support,
        validation=plan.validation,
        out=out / "head",
        schedule=head,
        seed=seed,
        progress=progress,
    )
    if not (out / "model").exists():
        tuned.model.save(out / "model")
    return Model.load(out / "model")


if __name__ == "__main__":
    from jsonargparse import auto_cli

    auto_cli(spectrogram_small, as_positional=False)
