"""What each piece of ours gives: panel (a) with one piece left out or as published at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from groundwave.bench.contest import Contender, Questions
from groundwave.bench.encoders import Pretraining
from groundwave.contracts import View
from groundwave.recipes import contrastive
from groundwave.recipes.contenders import OURS, TINY, frozen
from groundwave.recipes.modulation import TERMS
from groundwave.recipes.panels import Panel
from groundwave.views import AddNoise, Crop, FrequencyShift, Rotate

CROSS = (("time", "cyclic"),)
SHORT = 32  # samples; the cyclic moments need 25
WITHIN = (("time", "time"), ("cyclic", "cyclic"))


def pieces(ours: Pretraining) -> dict[str, Pretraining]:
    """Return ours and its variants, by what is different."""

    def told(**args: Any) -> Pretraining:
        return replace(ours, objective_args={**ours.objective_args, **args})

    def without(kind: type) -> Pretraining:
        return replace(ours, views=tuple(view for view in ours.views if not isinstance(view, kind)))

    def towers(*names: str, terms: tuple[tuple[str, str], ...] = TERMS) -> Pretraining:
        kept: Mapping[str, Any] = {"towers": {name: ours.backbone_args["towers"][name] for name in names}}
        return replace(told(terms=terms), backbone_args=kept)

    def told_tower(name: str, tower: Mapping[str, Any]) -> Pretraining:
        return replace(ours, backbone_args={"towers": {**ours.backbone_args["towers"], name: dict(tower)}})

    short: tuple[View, ...] = tuple(Crop(SHORT) if isinstance(view, Crop) else view for view in ours.views)
    return {
        "whole": ours,
        "without moments as features": towers("time", "cyclic"),
        "only the cross term": told(terms=CROSS),
        "only the cross term, no projector": told(terms=CROSS, projection=0),
        "only terms within towers": told(terms=WITHIN),
        "without the fused term": told(terms=(*CROSS, *WITHIN)),
        "temperature 0.2": told(temperature=0.2),
        "crops of 32 samples": replace(ours, views=short),
        "without noise": without(AddNoise),
        "without carrier offset": without(FrequencyShift),
        "without rotation": without(Rotate),
        "time tower alone": towers("time", terms=(("time", "time"),)),
        "cyclic tower alone": towers("cyclic", terms=(("cyclic", "cyclic"),)),
        "XCiT instead of the residual tower": told_tower("time", {"kind": "xcit", "dim": 128, "depth": 4, "patch": 4}),
        "spectrum instead of the cyclic tower": told_tower("cyclic", {"kind": "spectrum", "dim": 128, "depth": 4}),
    }


def ablations(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/lsm"),
    data: Sequence[str] = ("fixed",),
    snrs: Sequence[float] = (0.0, 4.0, 10.0, 18.0),
    seeds: Sequence[int] = (0, 1, 2),
    by: str = "groups",
    epochs: int | None = None,
    smoke: bool = False,
) -> Path:
    """What each piece of ours gives in panel (a): terms, projector, temperature, crops, views, towers.

    Args:
        results: folder of the file of rows.
        runs: folder of pretraining runs; finished ones are reused.
        data: as-published, fixed, or a path to a real RML2016.10a file.
        snrs: at which SNRs to ask.
        seeds: of splits, weights and labels.
        by: what the parts keep whole: groups (passes of the generator), or single records, as published.
        epochs: of each pretraining, instead of our own.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    panel = Panel(
        name="ablations",
        plan=contrastive.plan,
        data=data,
        methods=(),
        seeds=seeds,
        results=results,
        runs=runs,
        folder="contrastive",
        by=by,
        epochs=epochs,
        smoke=smoke,
    )
    questions = Questions(snrs_db=panel.snrs_db(snrs), shots=(contrastive.SHOTS,))
    ours = replace(OURS, backbone_args=TINY.ours) if smoke else OURS
    return panel.contest(questions, [Contender(how, (frozen(title),)) for title, how in pieces(ours).items()])
