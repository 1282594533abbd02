"""Panel (a) of LSM: eleven classes, five labels each, everything else of the training part unlabelled."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from groundwave.bench.contest import Questions
from groundwave.bench.plans import Plan, draw_from_cells, split_cells
from groundwave.recipes.panels import ALL_SNRS, DATA, Panel
from groundwave.recipes.radioml_sets import DataSet

METHODS = (
    *("lsm", "simclr-ours", "simsiam-ours", "moco-ours", "sclbss-ours", "moments", "cumulants", "chance"),
    *("lsm-published", "simclr", "simsiam", "moco", "sclbss"),
)
PARTS = {"train": 0.5, "validation": 0.25, "test": 0.25}
SHOTS = 5


def contrastive(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/lsm"),
    data: Sequence[str] = DATA,
    methods: Sequence[str] = METHODS,
    snrs: Sequence[float] = ALL_SNRS,
    seeds: Sequence[int] = (0, 1, 2),
    draws: int = 1,
    by: str = "groups",
    epochs: int | None = None,
    joint: bool = False,
    smoke: bool = False,
) -> Path:
    """Panel (a): contrastive pretraining without labels, then five labels per class, at each SNR.

    Each class at each SNR is parted 2:1:1 into training, validation and test. Of the training part 5 records are
    labelled and the others pretrained on; nothing is chosen on validation, and the test part is asked once.

    Args:
        results: folder of the file of rows.
        runs: folder of pretraining runs; finished ones are reused.
        data: as-published, fixed, or a path to a real RML2016.10a file.
        methods: see `groundwave list methods`.
        snrs: at which SNRs to ask; a model for all SNRs is pretrained on all of them in any case.
        seeds: of splits, weights and labels.
        draws: draws of the five labels; each takes five more records from what is pretrained on.
        by: what the parts keep whole: groups (passes of the generator), or single records, as published.
        epochs: of each pretraining, instead of the method's own.
        joint: one model for all SNRs for every method, shown under a name of its own; otherwise as in the sources.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    panel = Panel(
        name="contrastive",
        plan=partial(plan, draws=draws),
        data=data,
        methods=methods,
        seeds=seeds,
        results=results,
        runs=runs,
        by=by,
        epochs=epochs,
        joint=joint,
        smoke=smoke,
    )
    questions = Questions(snrs_db=panel.snrs_db(snrs), shots=(SHOTS,), num_episodes=draws)
    return panel.contest(questions)


def plan(data: DataSet, seed: int, *, draws: int = 1) -> tuple[Plan, dict[str, Any]]:
    """Return who may see what, and the settings of the protocol."""
    source, classes = data.source, tuple(range(len(data.source.classes)))
    parts = split_cells(source, PARTS, seed=seed, snr_db=data.snr_db, classes=classes)
    support = draw_from_cells(parts["train"], source.labels, data.snr_db, SHOTS * draws, seed=seed)
    found = Plan(
        split=f"2:1:1 of each class and SNR by group, seed {seed}",
        pretraining=parts["train"][~torch.isin(parts["train"], support)],
        support=support,
        query=parts["test"],
        validation=parts["validation"],
        classes=classes,
        known=classes,
    )
    return found, {"parts": PARTS, "draws": draws}
