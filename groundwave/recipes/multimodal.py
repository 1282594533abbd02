"""One set of weights for spectrograms, CSI and raw IQ, against separate ones of the same size."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from groundwave.bench import contest, tuning
from groundwave.bench.contest import Contender, Setting, Way
from groundwave.bench.encoders import Pretraining
from groundwave.bench.methods import Method, probe
from groundwave.bench.tuning import Tuner, tuned_in_turn
from groundwave.contract import Contract, CSIContract, InputContract, SpectrogramContract
from groundwave.contract.csi import DOPPLER, SPECTRUM_PACKETS
from groundwave.contracts import Record
from groundwave.data.sources import Records
from groundwave.model import Model
from groundwave.recipes.radioml_sets import DataSet
from groundwave.recipes.spectrogram_sets import Field, Sizes, open_scene
from groundwave.tasks import TASKS
from groundwave.train import Schedule

SIZES = Sizes(pool=2000, train=1000, validation=200, test=400)
TINY_SIZES = Sizes(pool=8, train=12, validation=4, test=12)
SNR_DB = 15.0
MODULATIONS = ("BPSK", "QPSK", "8PSK", "QAM16", "QAM64", "PAM4", "GFSK", "GMSK")
SCENES: Mapping[str, Mapping[str, Any]] = {
    "cellular": {"num_freqs": 128, "num_frames": 128},
    "csi": {"num_packets": 200},
    "modulations": {"classes": MODULATIONS, "snr_db": (SNR_DB, SNR_DB), "records_per_class": 25},
}
TINY_SCENES: Mapping[str, Mapping[str, Any]] = {
    "cellular": {"num_freqs": 64, "num_frames": 32, "num_per_block": 12},
    "csi": {"num_packets": 40, "classes": ("walk", "sit"), "records_per_class": 6},
    "modulations": {
        "classes": ("BPSK", "QAM16"),
        "num_samples": 256,
        "snr_db": (SNR_DB, SNR_DB),
        "records_per_class": 6,
    },
}
CONTRACTS: Mapping[str, Contract] = {
    "spec": SpectrogramContract(),
    # Levels tell where furniture stands: from them the masked objective learns nothing of what people do.
    "csi": CSIContract(min_packets=SPECTRUM_PACKETS, normalisation=DOPPLER),
    "iq": InputContract(num_samples=1024, min_samples=256, max_samples=2048),
}
TRUNK: Mapping[str, Any] = {"dim": 192, "depth": 6, "num_heads": 6}
TINY_TRUNK: Mapping[str, Any] = {"dim": 16, "depth": 1, "num_heads": 2}
STEMS: Mapping[str, Mapping[str, Any]] = {
    "spec": {"patch": (16, 16)},
    "csi": {"num_channels": 1, "patch": (4, 5)},
    "iq": {"num_channels": 2, "patch": (1, 16)},
}
PRETRAINING = Schedule(epochs=16, lr=1e-3, weight_decay=0.05)
HEAD = Schedule(epochs=30, lr=2e-3, weight_decay=0.05)
TASK_OF: Mapping[str, str] = {"spec": "segmentation", "csi": "activity", "iq": "modulation"}


@dataclass(frozen=True)
class Backbones:
    """How the shared weights and the separate ones are made.

    Args:
        trunk: width, depth and heads of the transformer.
        schedule: of pretraining, for one as for all: each modality is gone through equally often.
        batch_size: records of each modality per step.
    """

    trunk: Mapping[str, Any]
    schedule: Schedule
    batch_size: int

    def shared(self, multiway: bool) -> Pretraining:
        """Return the pretraining of one trunk on all modalities, which share all of it or the attention alone."""
        first, *others = CONTRACTS
        return Pretraining(
            backbone="multimodal_vit",
            objective="multimodal_msm",
            views=(),
            schedule=self.schedule,
            batch_size=self.batch_size,
            contract=CONTRACTS[first],
            backbone_args={"stems": STEMS, **self.trunk, **({"multiway": True} if multiway else {})},
            others={name: CONTRACTS[name] for name in others},
        )

    def separate(self, modality: str) -> Pretraining:
        """Return the pretraining of a trunk of the same size on one modality."""
        return Pretraining(
            backbone="vit",
            objective="msm",
            views=(),
            schedule=self.schedule,
            batch_size=self.batch_size,
            contract=CONTRACTS[modality],
            backbone_args={**self.trunk, "patch": STEMS[modality]["patch"]},
        )

    def of(self, modality: str) -> dict[str, Pretraining]:
        """Return all of them, by how tables call them."""
        shared = {"shared": self.shared(multiway=False), "multiway": self.shared(multiway=True)}
        return {**shared, "separate": self.separate(modality)}


def multimodal_vit(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/masked"),
    seeds: Sequence[int] = (0, 1, 2),
    shots: int = 5,
    episodes: int = 50,
    epochs: int | None = None,
    pretraining_epochs: int | None = None,
    smoke: bool = False,
) -> Path:
    """Pretrain one trunk on spectrograms, CSI and raw IQ together, and separate ones; ask each about its modality.

    Modalities share the whole trunk, or its attention alone (multiway). All are pretrained by masked modelling on the
    same 3000 records of each modality, as often, and stay frozen then.
    Spectrograms: segmentation of cellular frames with a light decoder. CSI: the activity of a person, a linear head on
    what is learned of Doppler spectra.
    Both learn from 1000 labels; rooms and persons of CSI are the same on both sides. IQ: eight modulations at 15 dB
    from a few labels per class, by logistic regression.

    On one core (Xeon with AMX, bfloat16) a record of each modality takes 4 ms in pretraining, so that a seed takes
    3000 x 16 x 3 of them for each shared trunk and as many for the separate ones: 1800 core-seconds; the heads 300
    more.

    Args:
        results: folder of the file of rows.
        runs: folder of records, pretraining and tuning; what is finished is reused.
        seeds: of splits, weights and labels.
        shots: labels per class of modulations.
        episodes: draws of these labels.
        epochs: of the heads, instead of ours.
        pretraining_epochs: of pretraining, instead of ours.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    field = Field(
        name="multimodal-vit",
        scenes=TINY_SCENES if smoke else SCENES,
        sizes=TINY_SIZES if smoke else SIZES,
        seeds=seeds,
        results=results,
        runs=runs,
        smoke=smoke,
    )
    schedule = PRETRAINING.lasting(1 if smoke else pretraining_epochs)
    head = HEAD.lasting(1 if smoke else epochs)
    backbones = Backbones(TINY_TRUNK if smoke else TRUNK, schedule, 4 if smoke else 64)
    drawn = contest.Questions((SNR_DB,), (1 if smoke else shots,), num_episodes=2 if smoke else episodes)
    for modality, opened in sets_of(field).items():
        for setting in field.settings_of(opened):
            networks = backbones.of(modality)
            if modality == "iq":
                few_shot(networks, drawn, setting)
            else:
                tuned(networks, modality, head, setting)
    return field.path


def sets_of(field: Field) -> dict[str, DataSet]:
    """Return the same records for each modality, which hold all of them, with the labels of that one.

    Record i holds the i-th of each scene; they share nothing else.
    """
    total = field.sizes.total
    scenes = [open_scene(name, settings, total, field.home / "records") for name, settings in field.scenes.items()]
    pieces = {name: one.source[torch.arange(total)] for name, one in zip(CONTRACTS, scenes, strict=True)}
    shared: Record = {name: piece[name] for name, piece in pieces.items()}
    shared |= {"mask": pieces["spec"]["mask"], "group": torch.arange(total)}
    name, config = " + ".join(CONTRACTS), {"scenes": {name: dict(told) for name, told in field.scenes.items()}}
    names = [str(number) for number in range(total)]
    found = {}
    for modality, one in zip(CONTRACTS, scenes, strict=True):
        record = {**shared, "label": pieces[modality]["label"], "snr_db": one.snr_db}
        source = Records(record, classes=one.source.classes, group_names=names)
        found[modality] = DataSet(name, source, one.snr_db, config)
    return found


def tuned(networks: Mapping[str, Pretraining], modality: str, head: Schedule, setting: Setting) -> None:
    """Fill the cells of a task whose head is tuned on all labels that may be lent."""
    name = TASK_OF[modality]
    noise = ("noise",) if modality == "spec" else ()
    task = TASKS[name](classes=(*noise, *setting.source.classes))
    tuners = [
        Tuner(f"{name}, {kind}", how, "frozen", head, modality=modality if how.others else "")
        for kind, how in networks.items()
    ]
    tuned_in_turn(tuners, tuning.Questions(task, (None,)), setting)


def few_shot(networks: Mapping[str, Pretraining], questions: contest.Questions, setting: Setting) -> None:
    """Fill the cells of modulations from a few labels per class."""
    classes = tuple(range(len(setting.source.classes)))
    asked = replace(setting, plan=replace(setting.plan, classes=classes, known=classes))
    for kind, how in networks.items():
        name = f"{TASK_OF['iq']}, {kind}"
        contest.compete(Contender(how, (Way(name, {"learner": "logistic"}, named(name)),)), questions, asked)


def named(name: str) -> Callable[[Model | None], Method]:
    """Return what makes a method of a model, or of the part of it that takes IQ."""

    def method(model: Model | None) -> Method:
        assert model is not None
        return probe(name, model.for_modality("iq"))

    return method
