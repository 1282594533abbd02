"""LSM as published: a model for each SNR, its own head and vote, with and without the faults of its released code."""

from collections.abc import Sequence
from pathlib import Path

from groundwave.recipes.contrastive import contrastive
from groundwave.recipes.fewshot import fewshot

METHODS = ("lsm-published", "lsm-published-leaks")
SNRS_DB = (-4.0, 0.0, 4.0, 10.0, 18.0)


def lsm_published(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/lsm"),
    data: Sequence[str] = ("as-published",),
    methods: Sequence[str] = METHODS,
    snrs: Sequence[float] = SNRS_DB,
    seeds: Sequence[int] = (0,),
    shots: Sequence[int] = (1, 5),
    episodes: int = 100,
    new: Sequence[str] = (),
    by: str = "groups",
    epochs: int | None = None,
    smoke: bool = False,
) -> list[Path]:
    """LSM as published, a model for each SNR: the panels fewshot and contrastive, with and without its leaks.

    Rows go to the panels' files. A model costs about 40 minutes of a core, and there is one for each panel, SNR and
    seed. What the released code leaks is repeated leak by leak and all together: the best epoch on test, one support
    set, scores through LeakyReLU, batch norm that drifts with the support.

    Args:
        results: folder of the files of rows.
        runs: folder of pretraining runs; finished ones are reused.
        data: as-published, fixed, or a path to a real RML2016.10a file.
        methods: the published method with all of its leaks and none, and with each by itself.
        snrs: the models to make.
        seeds: of class splits, weights and draws.
        shots: labels per class in the panel fewshot.
        episodes: draws of support and queries in the panel fewshot.
        new: the new classes of the panel fewshot by name, instead of five drawn by each seed.
        by: what the parts keep whole: groups (passes of the generator), or single records, as published.
        epochs: of each pretraining, instead of the published 300.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The files of rows.
    """
    return [
        fewshot(
            results,
            runs=runs,
            data=data,
            methods=methods,
            snrs=snrs,
            seeds=seeds,
            shots=shots,
            episodes=episodes,
            new=new,
            by=by,
            epochs=epochs,
            smoke=smoke,
        ),
        contrastive(
            results,
            runs=runs,
            data=data,
            methods=methods,
            snrs=snrs,
            seeds=seeds,
            by=by,
            epochs=epochs,
            smoke=smoke,
        ),
    ]
