"""Pairs of sensors: pictures and depths of rooms; IQ and spectrograms of modulations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Generator, nn

from groundwave.bench.plans import Plan
from groundwave.contract import Contract, InputContract, SpectrogramContract
from groundwave.contract.image import DepthContract, RGBContract, check_paired
from groundwave.contracts import Record, View
from groundwave.data.recording import Recording
from groundwave.data.sources import Records, SceneSource
from groundwave.data.spectrograms import Transform
from groundwave.data.split import split
from groundwave.data.two_looks import TwoLooks
from groundwave.data.typed import COUNT
from groundwave.errors import DataError, GroundwaveError, UnknownNameError
from groundwave.nn import BACKBONES
from groundwave.recipes.inputs import open_any, read
from groundwave.scenes import SCENES
from groundwave.semcom.edge import SymbolEncoder
from groundwave.views import (
    AddColourNoise,
    AddDepthNoise,
    AddNoise,
    ColourJitter,
    CropPicture,
    FlipPicture,
    FrequencyShift,
    QuarterTurns,
)
from groundwave.views.answers import keeping

DATA_SEED = 2503  # a data set is one; seeds of the recipe part it and draw from it
MODULATIONS = ("BPSK", "QPSK", "8PSK", "QAM16", "PAM4", "GFSK", "DVB-T", "WBFM")
SPECTROGRAM = Transform.chosen(32, num_frames=31, hop=16)
PARTS = {"train": 0.7, "test": 0.3}  # of recordings; nothing here is chosen on a validation part
CROP, FLIP = CropPicture((0.6, 1.0)), FlipPicture()


@dataclass(frozen=True)
class Spectrogram:
    """Makes `spec` anew of `iq`, so that both show the same view of a signal."""

    keeps, maps, destroys = keeping()

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record with the spectrogram of its IQ."""
        return {**record, **SPECTROGRAM.cells(record["iq"][..., : SPECTROGRAM.num_samples])}


@dataclass(frozen=True)
class Pair:
    """Two sensors and what looks at them.

    Args:
        scene: name in `SCENES`.
        settings: of the scene, without a seed.
        contracts: by modality.
        backbones: by modality, a name in `BACKBONES` and its arguments.
        shared: views of both in stage one.
        own: views of one in stage one.
        tuning: views of one in stage two.
    """

    scene: str
    settings: Mapping[str, Any]
    contracts: Mapping[str, Contract]
    backbones: Mapping[str, tuple[str, Mapping[str, Any]]]
    shared: tuple[View, ...]
    own: Mapping[str, tuple[View, ...]]
    tuning: Mapping[str, tuple[View, ...]]

    def records(self, num: int, settings: Mapping[str, Any]) -> Records:
        """Return the first records of the scene, in memory; `settings` take the place of some of its own."""
        scene = SCENES[self.scene](**{**self.settings, **settings}, seed=DATA_SEED)
        source: Any = SceneSource(scene, num, num_cached=1)
        if "spec" in self.contracts:
            source = TwoLooks(source, SPECTROGRAM)
        record = source[torch.arange(num)]
        names = [str(number) for number in range(int(record["group"].max()) + 1)]
        return self._held(record, scene.classes, names)

    def recorded(self, path: str) -> Records:
        """Return the records of a store or a file of windows, in memory; spectrograms are made of their IQ.

        Raises:
            DataError: a long recording, no records, or records that lack a modality or are stored as whole numbers.
            ContractError: records that a contract refuses.
        """
        source: Any = open_any(path)
        if isinstance(source, Recording) or len(source) == 0:
            got = f"{path}, one long recording" if isinstance(source, Recording) else f"{path} without records"
            raise DataError(got, "records with labels", "make a store of recordings: groundwave ingest")
        if "spec" in self.contracts:
            source = TwoLooks(source, SPECTROGRAM)
        record = read(source, torch.arange(len(source)))
        if absent := [name for name in self.contracts if name not in record]:
            raise DataError(
                got=f"{path} with {', '.join(record)}, without {', '.join(absent)}",
                expected=f"records of {', '.join(self.contracts)}",
                do="name the pair of modalities that they hold, or bring the other one",
            )
        for name, contract in self.contracts.items():
            if not (record[name].is_floating_point() or record[name].is_complex()):
                raise DataError(
                    got=f"{path} with {name} of {record[name].dtype}".replace("torch.", ""),
                    expected="real or complex numbers, as `groundwave ingest` stores them",
                    do="make a store of it: groundwave ingest",
                )
            contract.prepare(record[name])
        if {"rgb", "depth"} <= record.keys():
            check_paired(record)
        return self._held(record, source.classes, source.group_names)

    def _held(self, record: Record, classes: Sequence[str], group_names: Sequence[str]) -> Records:
        """Return what the comparison needs of records."""
        kept = {name: record[name] for name in (*self.contracts, "label", "snr_db", "group") if name in record}
        return Records(kept, classes=classes, group_names=group_names)

    def shown(self) -> tuple[Record, tuple[str, ...]]:
        """Return one record of each class, and the names of the classes."""
        scene = SCENES[self.scene](**self.settings, seed=DATA_SEED)
        record = scene.block(0)
        rows = [int((record["label"] == c).nonzero()[0]) for c in range(len(scene.classes))]
        return {name: values[rows] for name, values in record.items()}, tuple(scene.classes)

    def encoders(self, num_reals: int, width: int) -> dict[str, nn.Module]:
        """Return new encoders whose features are what is sent."""
        made: dict[str, nn.Module] = {}
        for name, (backbone, args) in self.backbones.items():
            network = BACKBONES[backbone](num_channels=self.contracts[name].num_channels, width=width, **args)
            made[name] = SymbolEncoder(network, num_reals)
        return made

    def encoder_maker(self, num_reals: int, width: int) -> Callable[[], dict[str, nn.Module]]:
        """Return what makes encoders; raises `GroundwaveError` for a width that none can have."""
        if not COUNT.fits(width):
            raise GroundwaveError(f"encoders of width {width}", COUNT.words, "change width")
        return partial(self.encoders, num_reals, width)


PAIRS: Mapping[str, Pair] = {
    "rgb,depth": Pair(
        scene="rgbd",
        settings={},
        contracts={"rgb": RGBContract(), "depth": DepthContract()},
        backbones={"rgb": ("resnet2d", {}), "depth": ("resnet2d", {})},
        shared=(CROP, FLIP),
        # Two pictures of a room have its hues in common: so easy a match must not be all that stage one learns.
        own={"rgb": (ColourJitter(hue=0.5, grey=0.6), AddColourNoise()), "depth": (AddDepthNoise(),)},
        tuning={"rgb": (CROP, FLIP, ColourJitter(), AddColourNoise()), "depth": (CROP, FLIP, AddDepthNoise())},
    ),
    "iq,spec": Pair(
        scene="modulations",
        settings={"classes": MODULATIONS, "num_samples": 512, "snr_db": (5.0, 20.0), "records_per_class": 25},
        contracts={
            "iq": InputContract(num_samples=512, min_samples=128, max_samples=1024),
            "spec": SpectrogramContract(),
        },
        backbones={"iq": ("resnet18", {}), "spec": ("resnet2d", {})},
        shared=(FrequencyShift(), QuarterTurns(), AddNoise(), Spectrogram()),
        own={},
        tuning={"iq": (FrequencyShift(), QuarterTurns(), AddNoise())},
    ),
}
ALIASES = {"spectrogram": "spec"}


def pair_of(modalities: Sequence[str]) -> tuple[str, Pair]:
    """Return the pair of these modalities and its name; raises `UnknownNameError`."""
    words = [word for part in modalities for word in part.split(",")]
    name = ",".join(ALIASES.get(word, word) for word in words)
    if name not in PAIRS:
        raise UnknownNameError("pair of modalities", name, PAIRS)
    return name, PAIRS[name]


def plan_of_recordings(source: Records, seed: int) -> Plan:
    """Return who may see what of recordings: groups of each class dealt 7:3; what has no label is pretrained on.

    Unlabelled records whose group is asked, or unknown, are left out.

    Raises:
        DataError: no labels, or a class that one of the parts lacks.
        SplitError: a class of one group, or labelled records of unknown group.
    """
    labelled = (source.labels >= 0).nonzero().squeeze(1)
    if len(labelled) == 0:
        raise DataError("records without labels", "labels, which stage two learns from", "ingest with labels")
    parts = split(source, PARTS, seed=seed, stratify=True, indices=labelled)
    everywhere = set.intersection(*(set(source.labels[rows].tolist()) for rows in parts.values()))
    if len(everywhere) < max(2, len(source.classes)):
        lacking = [name for code, name in enumerate(source.classes) if code not in everywhere] or ["none"]
        raise DataError(
            got=f"{len(source.classes)} classes, without records on both sides of the split: {', '.join(lacking)}",
            expected="two classes or more, each with records on both sides",
            do="ingest more groups of those classes, or leave them out",
        )
    free = (source.labels < 0) & (source.groups >= 0) & ~torch.isin(source.groups, source.groups[parts["test"]])
    return Plan(
        split=f"7:3 of each class by group, seed {seed}",
        pretraining=torch.cat([free.nonzero().squeeze(1), parts["train"]]).sort().values,
        support=parts["train"],
        query=parts["test"],
        validation=torch.arange(0),
        classes=(),
        known=(),
        support_seen=True,
    )
