"""How faithful the replica of RadioML 2016.10a is: published networks, trained as in their sources, on our records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from groundwave.bench.contest import Contender
from groundwave.bench.labels import Labels, efficiency
from groundwave.bench.plans import Plan, split_cells
from groundwave.bench.supervised import Patience
from groundwave.errors import lookup
from groundwave.nn.complex import to_channels
from groundwave.recipes.label_efficiency import supervised
from groundwave.recipes.panels import ALL_SNRS, Panel
from groundwave.recipes.radioml_sets import DataSet


@dataclass(frozen=True)
class Published:
    """A published network: how its source parts the data and trains it, and what accuracy it reports.

    Args:
        title: name in tables.
        parts: shares of the records.
        how: training.
        overall: reported accuracy over all SNRs, from lowest to highest.
        by_snr: reported accuracy at each of the twenty SNRs, where the source tells it.
    """

    title: str
    parts: Mapping[str, float]
    how: Patience
    overall: tuple[float, float]
    by_snr: tuple[float, ...] = ()


PUBLISHED: Mapping[str, Published] = {
    # radioML/examples. There the test half also decides when to stop; here a tenth of the training half does.
    "vtcnn2": Published(
        "VT-CNN2",
        {"train": 0.45, "validation": 0.05, "test": 0.5},
        Patience(epochs=100, batch_size=1024, lr=1e-3, stop_after=5),
        overall=(0.503, 0.503),
        by_snr=(
            *(0.0955, 0.0919, 0.100, 0.104, 0.150, 0.228, 0.349, 0.493, 0.589, 0.649),
            *(0.704, 0.709, 0.723, 0.728, 0.718, 0.733, 0.724, 0.729, 0.725, 0.724),
        ),
    ),
    # Xu et al. (2020) and AMR-Benchmark (Zhang et al., 2022).
    "mcldnn": Published(
        "MCLDNN",
        {"train": 0.6, "validation": 0.2, "test": 0.2},
        Patience(epochs=10_000, batch_size=400, lr=1e-3, stop_after=50, halve_after=5),
        overall=(0.610, 0.617),
    ),
}


def fidelity(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/lsm"),
    data: Sequence[str] = ("as-published",),
    networks: Sequence[str] = tuple(PUBLISHED),
    seeds: Sequence[int] = (0,),
    by: str = "records",
    epochs: int | None = None,
    smoke: bool = False,
) -> Path:
    """Train VT-CNN2 and MCLDNN as in their sources, at every SNR beside the published accuracy.

    Inputs are as they are in the file, without scaling.

    Args:
        results: folder of the file of rows.
        runs: folder of checkpoints; an interrupted training goes on.
        data: as-published, fixed, or a path to a real RML2016.10a file.
        networks: vtcnn2, mcldnn.
        seeds: of splits and weights.
        by: what the parts keep whole: single records, as in the sources, or groups (passes of the generator).
        epochs: at most so many, instead of the source's number.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    path = results
    for network in networks:
        source = lookup(PUBLISHED, network, "network")
        most = 1 if smoke else epochs
        how = source.how if most is None else replace(source.how, epochs=most)
        panel = Panel(
            name="fidelity",
            plan=partial(plan, parts=source.parts),
            data=data,
            methods=(),
            seeds=seeds,
            results=results,
            runs=runs,
            by=by,
            smoke=smoke,
        )
        for setting in panel.settings():
            way = supervised(source.title, network, how, setting, to_channels)
            efficiency(Contender(None, (way,)), Labels((None,), panel.snrs_db(ALL_SNRS)), setting)
        path = panel.path
    return path


def plan(data: DataSet, seed: int, *, parts: Mapping[str, float]) -> tuple[Plan, dict[str, Any]]:
    """Return who may see what, and the settings of the protocol; nothing is pretrained."""
    classes = tuple(range(len(data.source.classes)))
    dealt = split_cells(data.source, parts, seed=seed, snr_db=data.snr_db, classes=classes)
    found = Plan(
        split=f"{':'.join(f'{100 * share:g}' for share in parts.values())} of each class and SNR, seed {seed}",
        pretraining=dealt["train"][:0],
        support=dealt["train"],
        query=dealt["test"],
        validation=dealt["validation"],
        classes=classes,
        known=classes,
    )
    return found, {"parts": dict(parts)}
