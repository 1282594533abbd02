"""Panel (d) of LSM: how the accuracy over all SNRs grows with the number of labels."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from groundwave.bench.contest import Contender, Setting, Way
from groundwave.bench.encoders import best_device
from groundwave.bench.labels import Labels, efficiency
from groundwave.bench.methods import Method, settings
from groundwave.bench.plans import Plan, split_cells
from groundwave.bench.rows import hash_config
from groundwave.bench.supervised import Patience, WholeNetwork
from groundwave.contract import Contract
from groundwave.errors import lookup
from groundwave.model import Model
from groundwave.nn import BACKBONES
from groundwave.recipes.contenders import WHOLE, fresh, frozen
from groundwave.recipes.panels import ALL_SNRS, DATA, Panel
from groundwave.recipes.radioml_sets import DataSet

COUNTS = (2, 5, 10, 20, 50, 100)
METHODS = ("lsm", "simclr-ours", "simsiam-ours", "moco-ours", "sclbss-ours", "moments", "cumulants", "chance")
PARTS = {"train": 0.6, "validation": 0.2, "test": 0.2}
TUNING = Patience(batch_size=256, lr=5e-4, steps=2000)
CEILING = Patience(epochs=100, batch_size=400, lr=1e-3, stop_after=15, halve_after=5)


Prepare = Callable[[Tensor], Tensor]


def label_efficiency(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/lsm"),
    data: Sequence[str] = DATA,
    methods: Sequence[str] = METHODS,
    counts: Sequence[int] = COUNTS,
    seeds: Sequence[int] = (0, 1, 2),
    ceiling: Sequence[str] = ("mcldnn",),
    by: str = "groups",
    epochs: int | None = None,
    smoke: bool = False,
) -> Path:
    """Panel (d): accuracy over all SNRs from 2 to 100 labels per class and SNR, and from all of them.

    Each class at each SNR is parted 6:2:2. Encoders see the training part without labels; a linear probe (linear
    discriminant analysis, shrunk as cross-validation on its labels says) and, for ours, the whole network learn from N
    of its labels per class and SNR. The ceiling is a network that learns from all of them, from random weights, until
    the loss on the validation part stops falling.

    Args:
        results: folder of the file of rows.
        runs: folder of pretraining runs; finished ones are reused.
        data: as-published, fixed, or a path to a real RML2016.10a file.
        methods: see `groundwave list methods`; each as one model for all SNRs.
        counts: labels per class and SNR.
        seeds: of splits, weights and labels.
        ceiling: backbones that learn from all labels; `none` for none.
        by: what the parts keep whole: groups (passes of the generator), or single records, as published.
        epochs: of each pretraining, instead of the method's own.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    panel = Panel(
        name="label-efficiency",
        plan=plan,
        data=data,
        methods=methods,
        seeds=seeds,
        results=results,
        runs=runs,
        by=by,
        epochs=epochs,
        smoke=smoke,
    )
    snrs_db = panel.snrs_db(ALL_SNRS)
    tuning = replace(TUNING, steps=1) if smoke else TUNING
    for setting in panel.settings():
        few = Labels(tuple(counts[:1] if smoke else counts), snrs_db)
        for contender in panel.contenders():
            efficiency(for_all_snrs(contender, tuning), few, setting)
        how = replace(CEILING, epochs=1) if smoke else CEILING
        for backbone in ceiling if list(ceiling) != ["none"] else ():
            way = supervised(f"{backbone.upper()}, all labels", backbone, how, setting, door(WHOLE))
            efficiency(Contender(None, (way,)), Labels((None,), snrs_db), setting)
    return panel.path


def plan(data: DataSet, seed: int) -> tuple[Plan, dict[str, Any]]:
    """Return who may see what, and the settings of the protocol; what is labelled is pretrained on, too."""
    classes = tuple(range(len(data.source.classes)))
    parts = split_cells(data.source, PARTS, seed=seed, snr_db=data.snr_db, classes=classes)
    found = Plan(
        split=f"6:2:2 of each class and SNR by group, seed {seed}",
        pretraining=parts["train"],
        support=parts["train"],
        query=parts["test"],
        validation=parts["validation"],
        classes=classes,
        known=classes,
        support_seen=True,
    )
    return found, {"parts": PARTS}


def for_all_snrs(contender: Contender, tuning: Patience) -> Contender:
    """Return a contender with one model for all SNRs and a linear probe; ours is fine-tuned, too."""
    if contender.pretraining is None:
        return contender
    title = contender.ways[0].name
    ways = [frozen(f"{title}, linear probe", "lda_cv")]
    if contender.pretraining.objective == "lsm":
        ways.append(tuned(f"{title}, fine-tuned", tuning))
    return Contender(replace(contender.pretraining, per_snr=False), tuple(ways))


def tuned(name: str, how: Patience) -> Way:
    """Return the way that trains the whole pretrained network on the labels, for a stated number of steps."""

    def method(model: Model | None) -> Method:
        assert model is not None
        start, contract = model.backbone, model.contract
        return Method(
            name, lambda seed: WholeNetwork(partial(fresh, start), door(contract), how, None, seed, None, best_device())
        )

    return Way(name, settings(WholeNetwork, how=repr(how)), method)


def supervised(name: str, backbone: str, how: Patience, setting: Setting, prepare: Prepare) -> Way:
    """Return the way that trains a network from random weights until its validation loss stops falling."""
    build: partial[nn.Module] = partial(lookup(BACKBONES, backbone, "backbone"))
    identity = hash_config({"how": repr(how), "data": setting.data, "plan": setting.plan.hash(), **setting.config})
    checkpoint = setting.runs / "supervised" / backbone / f"seed-{setting.seed}-{identity}.ckpt"

    def method(_: Model | None) -> Method:
        validation = setting.source[setting.plan.validation]
        return Method(name, lambda seed: WholeNetwork(build, prepare, how, validation, seed, checkpoint, best_device()))

    return Way(name, {**settings(WholeNetwork, how=repr(how)), "backbone": backbone}, method)


def door(contract: Contract) -> Prepare:
    """Return the function from `iq` to the channels that a model of this contract sees."""
    return lambda iq: contract.channels(contract.prepare(iq))
