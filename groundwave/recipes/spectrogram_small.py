"""How the packaged model `spectrogram-small` is made: `python -m groundwave.recipes.spectrogram_small`."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from groundwave.adapt.tuning import tune
from groundwave.bench.encoders import Pretraining, pretrained
from groundwave.bench.methods import weights_sha256
from groundwave.bench.tuning import Questions, answered
from groundwave.contract import SpectrogramContract
from groundwave.contracts import Record
from groundwave.model import Model
from groundwave.recipes.msm import SMALL, VIT
from groundwave.recipes.spectrogram_sets import LEVELS, Field, Sizes, level_table
from groundwave.tasks.segmentation import RareSegmentation
from groundwave.train import Schedule

# Frames of both scenes last as long: what a cell shows must not depend on the band that it is of. An exported graph,
# which has one rate, has five windows of 256 in a frame, and so 20.48 MHz.
FRAME_S = 62.5e-6
SCENES: Mapping[str, Mapping[str, Any]] = {"ism-band": {"duration_s": 256 * FRAME_S}, "cellular": {"num_averaged": 15}}
CONTRACT = SpectrogramContract(num_averaged=5, frame_s=FRAME_S, sample_rates_hz=(10e6, 61.44e6))
SIZES = Sizes(pool=3000, train=1000, validation=200, test=100)
BACKBONE = replace(
    VIT,
    contract=CONTRACT,
    schedule=replace(VIT.schedule, epochs=40),
    backbone_args={**SMALL, "dim": 160, "num_heads": 5},
)
HEAD = Schedule(epochs=30, lr=2e-3, weight_decay=0.05)
DECODER = "conv"  # smooth borders of boxes, in 0.5 MB


def spectrogram_small(out: Path = Path("runs/spectrogram-small"), *, seed: int = 0, progress: bool = True) -> Model:
    """Pretrain `spectrogram-small` by masked modelling, and give it a head that tells what is in each cell.

    The backbone is a ViT of 160 x 6 on patches of 16 x 16 cells, pretrained without labels on simulated spectrograms,
    half of the 2.4 GHz band and half of cellular bands, and frozen then. The head tells noise and the class of an
    emitter. The model is saved in `out/model`.

    Args:
        out: folder of records and runs; an interrupted one is continued.
        seed: of initial weights, order, masks and split.
        progress: whether to draw a progress bar.
    """
    return made(out, BACKBONE, HEAD, SCENES, SIZES, seed, progress)


def made(
    out: Path,
    how: Pretraining,
    head: Schedule,
    scenes: Mapping[str, Mapping[str, Any]],
    sizes: Sizes,
    seed: int,
    progress: bool,
) -> Model:
    """Return a backbone pretrained on all records of `pool` and `train`, with a head that learned from the latter.

    How it answers the records of `test` goes to `out/NAME.jsonl`, beside Bayes' rule cell by cell and noise everywhere.
    """
    field = Field(name=out.name, scenes=scenes, sizes=sizes, seeds=(seed,), results=out, runs=out, smoke=False)
    (setting,) = field.settings_of()
    plan, source = setting.plan, setting.source
    backbone = pretrained(how, source, plan, out=out / "backbone", seed=seed, progress=progress)
    backbone.backbone.cpu()
    task = RareSegmentation(("noise", *source.classes), decoder=DECODER)
    tuned = tune(
        backbone,
        task,
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
    model = Model.load(out / "model")
    told = {"weights_sha256": weights_sha256(model)[:12]}
    answered(out.name, model.predict, Questions(task, (None,), config=told), setting)
    answered(LEVELS, level_table(setting, len(task.classes), None), Questions(task, (None,)), setting)
    answered("noise everywhere", partial(quiet, num_classes=len(task.classes)), Questions(task, (None,)), setting)
    return model


def quiet(record: Record, *, num_classes: int) -> Tensor:
    """Return the certainty that there is nothing but noise."""
    sure = torch.eye(num_classes)[0]
    return sure[None, :, None, None].expand(len(record["spec"]), -1, *record["spec"].shape[-2:])


if __name__ == "__main__":
    from jsonargparse import auto_cli

    auto_cli(spectrogram_small, as_positional=False)
