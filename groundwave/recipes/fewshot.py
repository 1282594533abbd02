"""Panels (b) and (c) of LSM: pretrain on six classes, then tell five new ones apart from one or five labels each."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from groundwave.bench.contest import Questions
from groundwave.bench.plans import Plan, alike, part_classes, split_cells
from groundwave.errors import GroundwaveError, lookup
from groundwave.recipes.panels import ALL_SNRS, DATA, Panel
from groundwave.recipes.radioml_sets import DataSet

FEWSHOT_METHODS = ("lsm", "lsm-published", "protonet", "relationnet", "moments", "cumulants", "chance")
TRANSFER_METHODS = ("lsm", "cnn2", "cnn-lstm", "resnet18")
NUM_KNOWN = 6
NUM_QUERIES = 500
# The new classes of LSM's published log, which tells them by number: seed 53 deals [8, 3, 10, 5, 9], in the order in
# which Python 2.7 hashes the keys of the pickled data set (QPSK, PAM4, AM-DSB, GFSK, QAM64, AM-SSB, 8PSK, QAM16, ...).
SOURCE = ("AM-SSB", "BPSK", "CPFSK", "GFSK", "WBFM")
SIDES = {"support": 0.4, "query": 0.6}  # of each new class's groups; 500 queries per class need half of the records


def fewshot(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/lsm"),
    data: Sequence[str] = DATA,
    methods: Sequence[str] = FEWSHOT_METHODS,
    snrs: Sequence[float] = ALL_SNRS,
    seeds: Sequence[int] = tuple(range(20)),
    shots: Sequence[int] = (1, 5),
    episodes: int = 100,
    new: Sequence[str] = (),
    by: str = "groups",
    epochs: int | None = None,
    joint: bool = False,
    smoke: bool = False,
) -> Path:
    """Panel (b): pretrain on six classes, then 5-way 1- and 5-shot on five new ones, against episodic methods.

    Each seed parts the classes otherwise. Of each new class's groups two fifths lend support and three fifths are
    asked, 500 records per class and episode.

    Args:
        results: folder of the file of rows.
        runs: folder of pretraining runs; finished ones are reused, those of the panel `transfer` among them.
        data: as-published, fixed, or a path to a real RML2016.10a file.
        methods: see `groundwave list methods`.
        snrs: at which SNRs to ask; a model for all SNRs is pretrained on all of them in any case.
        seeds: of class splits, weights and episodes.
        shots: labels per class.
        episodes: draws of support and queries for each class split, SNR and number of shots.
        new: the new classes by name, instead of five drawn by each seed; `source` stands for those of LSM's log, whose
            rows go to a file of their own.
        by: what the sides keep whole: groups (passes of the generator), or single records, as published.
        epochs: of each pretraining, instead of the method's own.
        joint: one model for all SNRs for every method, shown under a name of its own; otherwise as in the sources.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    return new_classes(**{**locals(), "name": "fewshot"})


def transfer(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/lsm"),
    data: Sequence[str] = DATA,
    methods: Sequence[str] = TRANSFER_METHODS,
    snrs: Sequence[float] = ALL_SNRS,
    seeds: Sequence[int] = (0, 1, 2),
    shots: Sequence[int] = (1, 5),
    episodes: int = 100,
    new: Sequence[str] = (),
    by: str = "groups",
    epochs: int | None = None,
    joint: bool = False,
    smoke: bool = False,
) -> Path:
    """Panel (c): networks that learned six classes with labels against ours without, on five new classes.

    Parted and asked as the panel `fewshot`.

    Args:
        results: folder of the file of rows.
        runs: folder of pretraining runs; finished ones are reused, those of the panel `fewshot` among them.
        data: as-published, fixed, or a path to a real RML2016.10a file.
        methods: see `groundwave list methods`.
        snrs: at which SNRs to ask; a model for all SNRs is pretrained on all of them in any case.
        seeds: of class splits, weights and episodes.
        shots: labels per class.
        episodes: draws of support and queries for each class split, SNR and number of shots.
        new: the new classes by name, instead of five drawn by each seed; `source` stands for those of LSM's log, whose
            rows go to a file of their own.
        by: what the sides keep whole: groups (passes of the generator), or single records, as published.
        epochs: of each pretraining, instead of the method's own.
        joint: one model for all SNRs for every method, shown under a name of its own; otherwise as in the sources.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    return new_classes(**{**locals(), "name": "transfer"})


def new_classes(
    name: str,
    results: Path,
    runs: Path,
    data: Sequence[str],
    methods: Sequence[str],
    snrs: Sequence[float],
    seeds: Sequence[int],
    shots: Sequence[int],
    episodes: int,
    new: Sequence[str],
    by: str,
    epochs: int | None,
    joint: bool,
    smoke: bool,
) -> Path:
    """Fill the rows of either panel."""
    as_in_source = tuple(new) == ("source",)
    panel = Panel(
        name=f"{name}-source" if as_in_source else name,
        plan=partial(plan, new=SOURCE if as_in_source else tuple(new)),
        data=data,
        methods=methods,
        seeds=seeds,
        results=results,
        runs=runs,
        folder="new-classes",
        by=by,
        epochs=epochs,
        joint=joint,
        smoke=smoke,
    )
    num_episodes = 2 if smoke else episodes
    questions = Questions(panel.snrs_db(snrs), tuple(shots), num_episodes=num_episodes, num_queries=NUM_QUERIES)
    return panel.contest(questions)


def plan(data: DataSet, seed: int, *, new: tuple[str, ...] = ()) -> tuple[Plan, dict[str, Any]]:
    """Return who may see what, and the settings of the protocol: among them which new classes are hard to tell apart.

    Raises:
        GroundwaveError: fewer than two new classes, or fewer than two left to pretrain on.
    """
    source, names = data.source, list(data.source.classes)
    known, asked = part_classes(len(names), NUM_KNOWN, seed)
    if new:
        positions = {name: i for i, name in enumerate(names)}
        asked = tuple(sorted(lookup(positions, name, "class") for name in set(new)))
        known = tuple(c for c in range(len(names)) if c not in asked)
    if min(len(known), len(asked)) < 2:
        raise GroundwaveError(
            got=f"{len(known)} classes to pretrain on and {len(asked)} new ones",
            expected="at least two of each",
            do="name other new classes",
        )
    sides = split_cells(source, SIDES, seed=seed, snr_db=data.snr_db, classes=asked)
    found = Plan(
        split=f"new classes {', '.join(names[c] for c in asked)}, sides by group, seed {seed}",
        pretraining=torch.isin(source.labels, torch.tensor(known)).nonzero()[:, 0],
        support=sides["support"],
        query=sides["query"],
        validation=torch.empty(0, dtype=torch.int64),
        classes=asked,
        known=known,
    )
    new_names = [names[c] for c in asked]
    return found, {"new": new_names, "alike": alike(new_names), "sides": SIDES, "queries": NUM_QUERIES}
