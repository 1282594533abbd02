"""Semantic communication of two sensors and a server: what self-supervision at the edge saves on the air."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from groundwave.bench.contest import Setting
from groundwave.bench.semantic import Edge, Method, compared, objective_of
from groundwave.bench.semantic_asides import new_class, separate_design
from groundwave.data.fingerprint import digest, labels_of
from groundwave.errors import GroundwaveError, lookup
from groundwave.pretrain.clip import CLIP
from groundwave.pretrain.decur import DeCUR
from groundwave.recipes.place import Place
from groundwave.recipes.semantic_sets import pair_of, plan_of_recordings
from groundwave.recipes.spectrogram_sets import Sizes, counts_of, plan_of
from groundwave.semcom.edge import Pace
from groundwave.semcom.engines import ENGINES
from groundwave.semcom.link import Link
from groundwave.train import Schedule

SIZES = Sizes(pool=6000, train=800, validation=100, test=2000)
TINY_SIZES = Sizes(pool=80, train=80, validation=20, test=200)
SMALL_SCENES: Mapping[str, Mapping[str, object]] = {
    "rgb,depth": {"height": 16, "width": 16, "rooms_per_class": 2, "pictures_per_room": 2},
    "iq,spec": {},
}
COMMON, LAMDA, PROJECTION = 0.75, 0.0051, 256
LR, TUNED_LR = 4e-3, 2e-3  # of the devices in stage two, from random weights and after stage one
TRAINED = Method(
    title="common and unique (ours)",
    objective=DeCUR,
    settings={"common": COMMON, "lamda": LAMDA, "projection": PROJECTION},
    lr=TUNED_LR,
)
METHODS: Mapping[str, Method] = {
    "supervised": Method("supervised from scratch"),
    "intra": replace(TRAINED, title="intra only", settings={"cross": False, "projection": PROJECTION}),
    "clip": replace(TRAINED, title="cross only, CLIP", objective=CLIP, settings={"projection": PROJECTION}),
    "all-common": replace(TRAINED, title="all dimensions common", settings={"common": 1.0, "projection": PROJECTION}),
    "ours": TRAINED,
    "ours-one-moment": replace(TRAINED, title="common and unique, one moment", partners=False),
    "ours-head-start": replace(TRAINED, title="common and unique (ours), head start", head_passes=2),
}
PRETRAINING = Schedule(epochs=30, lr=2e-3, weight_decay=0.01)
SERVER_LR = 1e-2
MARKS = tuple(n / 60 for n in (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60))  # of the rounds, when asked
SNRS_DB = (-5.0, 0.0, 5.0, 10.0, 15.0, 20.0)
PLENTY = 16  # times the symbols of the features, for pictures sent as bits
SHOTS_OF_NEW, OF_NEW = 5, ("supervised", "ours")  # labels of a new class, and of which methods it is asked
SHARES, SEEDS, NUM_SYMBOLS = (1.0, 0.5, 0.1), (0, 1, 2, 3, 4), 16


def semantic_communication(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/semantic"),
    data: str | None = None,
    modalities: Sequence[str] = ("rgb", "depth"),
    methods: Sequence[str] = (*METHODS, "separate", "new-class"),
    shares: Sequence[float] = SHARES,
    seeds: Sequence[int] = SEEDS,
    snr_db: float = 10.0,
    rician_k: float = 0.0,
    num_pilots: int = 0,
    num_symbols: int = NUM_SYMBOLS,
    rounds: int = 300,
    noisy_gradients: bool = True,
    common: Sequence[float] = (COMMON,),
    lamda: Sequence[float] = (LAMDA,),
    width: int = 8,
    epochs: int | None = None,
    engine: str = "process",
    smoke: bool = False,
) -> Path:
    """Compare accuracy against communication rounds and bits: supervised from scratch, and after self-supervision.

    Two devices see one modality each and send features over a fading channel; a server fuses and answers. Stage one
    pretrains encoders at the edge without labels and without traffic to the server. Stage two trains all of it through
    the link: features go up, gradients come down, one round trip a step. Every method has the same networks, steps and
    draws of noise. The accuracy is on test records of other groups, after some numbers of rounds, at other SNRs, and
    with a sensor missing. No state is chosen on them: the last one counts.

    Args:
        results: folder of the file of rows.
        runs: folder of stage one; what is finished is reused.
        data: a store of recordings with labels, instead of the scene; `groundwave ingest` makes one of pictures or IQ.
            Its groups are what a split keeps whole, and what lends stage one its pairs.
        modalities: rgb,depth (rooms) or iq,spectrogram (modulations).
        methods: supervised, intra, clip, all-common, ours, ours-one-moment (stage one sees each picture by itself,
            not two of a room), ours-head-start (features of labelled records go up before the first round, and the
            server learns its own layers from them); separate (compressed pictures as bits), new-class (noticed, and
            added without a gradient).
        shares: of the labels.
        seeds: of splits, weights, order and noise.
        snr_db: of training.
        rician_k: of the fading: 0 is Rayleigh, inf none.
        num_pilots: from which a receiver estimates the gain; 0: it is told the gain.
        num_symbols: complex symbols that a device may send for a record.
        rounds: steps of stage two.
        noisy_gradients: whether gradients come back through the link's noise, too.
        common: shares of common dimensions of ours; those beyond the first are asked beside it.
        lamda: weights off the diagonal, the same way.
        width: of the encoders' first stage.
        epochs: of stage one, instead of ours.
        engine: process, or ray: each device an actor of its own.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.

    Raises:
        GroundwaveError: a setting that cannot be, before any work.
    """
    name, pair = pair_of(modalities)
    sizes = TINY_SIZES if smoke else SIZES
    wanted = methods_of(methods, common, lamda)
    lookup(ENGINES, engine, "engine")
    link = Link(num_symbols, (snr_db, snr_db), rician_k, num_pilots)
    pace, stage_one = Pace(lr=LR, rounds=rounds), PRETRAINING.lasting(epochs)
    encoders = pair.encoder_maker(link.num_reals, width)
    if smoke:  # after what was asked for has been checked
        pace, stage_one = replace(pace, rounds=4), stage_one.lasting(1)
        encoders = pair.encoder_maker(link.num_reals, 4)
    edge = Edge(
        contracts=pair.contracts,
        encoders=encoders,
        shared=pair.shared,
        own=pair.own,
        tuning=pair.tuning,
        link=link,
        noisy_gradients=noisy_gradients,
        stage_one=stage_one,
        stage_one_batch=16 if smoke else 128,
        pace=pace,
        server_pace=replace(pace, lr=SERVER_LR),
        batch_size=16 if smoke else 64,
        marks=tuple(sorted({round(mark * pace.rounds) for mark in MARKS})),
        snrs_db=SNRS_DB[::3] if smoke else SNRS_DB,
        engine=engine,
    )
    for method in wanted:  # settings that cannot be are refused here, before any work
        objective_of(method, edge, edge.new_encoders(0), 0)
    if data is None:
        source, called = pair.records(sizes.total, SMALL_SCENES[name] if smoke else {}), pair.scene
        origin = {"scene": dict(pair.settings), "sizes": repr(sizes)}
    else:
        source, called = pair.recorded(data), f"recordings {Path(data).stem}"
        rows = torch.arange(len(source))
        seen = [digest(source[rows][name]) for name in (*pair.contracts, "group")]
        origin = {"recordings": seen, "labels": labels_of(source, rows)}
    place = Place(name="semantic-communication", results=results, runs=runs, smoke=smoke)
    sheet = place.sheet()
    told = {**origin, "width": width, "backbones": repr(pair.backbones)}
    seeds = seeds[:1] if smoke else seeds
    plans = [plan_of(source, sizes, seed) if data is None else plan_of_recordings(source, seed) for seed in seeds]
    counts = counts_of(shares[-1:] if smoke else shares, min(len(plan.support) for plan in plans))
    if min(counts) < 2:
        raise GroundwaveError("a share that leaves one label", "two or more: batch norm needs several", "raise shares")
    for seed, plan in zip(seeds, plans, strict=True):
        setting = Setting(
            data=f"{called} ({name})",
            source=source,
            snr_db=source[torch.arange(len(source))]["snr_db"],
            plan=plan,
            seed=seed,
            sheet=sheet,
            runs=place.home,
            config=told,
            progress=not smoke,
        )
        for method in wanted:
            compared(method, edge, setting, counts)
        if "separate" in methods:
            for symbols in (num_symbols, PLENTY * num_symbols):
                separate_design(edge, setting, counts, symbols)
        if "new-class" in methods:
            for key in OF_NEW:
                new_class(METHODS[key], edge, setting, SHOTS_OF_NEW)
    return sheet.path


def methods_of(names: Sequence[str], common: Sequence[float], lamda: Sequence[float]) -> list[Method]:
    """Return the methods of these names; of ours one for each share and weight, named after what is not the usual.

    Raises:
        UnknownNameError: a name that is not known.
    """
    found = []
    for name in names:
        if name in ("separate", "new-class"):
            continue
        method = lookup({**METHODS, "separate": METHODS["ours"], "new-class": METHODS["ours"]}, name, "method")
        if name != "ours":
            found.append(method)
            continue
        for share in common:
            for weight in lamda:
                unusual = [f"common {share:g}"] * (share != COMMON) + [f"lambda {weight:g}"] * (weight != LAMDA)
                title = ", ".join((method.title, *unusual))
                settings = {**method.settings, "common": share, "lamda": weight}
                found.append(replace(method, title=title, settings=settings))
    return found
