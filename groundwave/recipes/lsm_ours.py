"""Ours: one model for all SNRs, in every panel."""

from collections.abc import Sequence
from pathlib import Path

from groundwave.recipes.contrastive import contrastive
from groundwave.recipes.fewshot import fewshot
from groundwave.recipes.label_efficiency import label_efficiency
from groundwave.recipes.panels import DATA

METHODS = ("lsm", "cumulants", "chance")


def lsm(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/lsm"),
    data: Sequence[str] = DATA,
    seeds: Sequence[int] = (0, 1, 2),
    draws: int = 1,
    episodes: int = 100,
    epochs: int | None = None,
    smoke: bool = False,
) -> list[Path]:
    """Ours, one model for all SNRs: pretrain and score in the panels contrastive, fewshot and label-efficiency.

    Rows go to the panels' files, where the panels' own recipes find and keep them.

    Args:
        results: folder of the files of rows.
        runs: folder of pretraining runs; finished ones are reused.
        data: as-published, fixed, or a path to a real RML2016.10a file.
        seeds: of splits, weights and draws; in the panel fewshot each is another class split.
        draws: see the recipe contrastive.
        episodes: see the recipe fewshot.
        epochs: of each pretraining, instead of our own.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The files of rows.
    """
    return [
        contrastive(
            results, runs=runs, data=data, methods=METHODS, seeds=seeds, draws=draws, epochs=epochs, smoke=smoke
        ),
        fewshot(
            results, runs=runs, data=data, methods=METHODS, seeds=seeds, episodes=episodes, epochs=epochs, smoke=smoke
        ),
        label_efficiency(
            results, runs=runs, data=data, methods=METHODS, seeds=seeds, ceiling=(), epochs=epochs, smoke=smoke
        ),
    ]
