"""Angles of arrival: networks, subspace methods and the Cramér-Rao bound, on arrays that are ideal and that are not."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from groundwave.bench.cells import Cell, Sheet
from groundwave.bench.directions import Finder, bound_deg, classical, compare, learned
from groundwave.bench.methods import weights_sha256
from groundwave.bench.plans import Plan, check_plan
from groundwave.contract import ArrayContract
from groundwave.contracts import Record
from groundwave.data.sources import Records, SceneSource
from groundwave.errors import lookup
from groundwave.model import Model
from groundwave.pretrain.run import pretrain
from groundwave.recipes.inputs import read
from groundwave.recipes.place import Place
from groundwave.recipes.unseen_angles import unseen_angles
from groundwave.scenes.angles import Angles
from groundwave.signal.array import steering
from groundwave.signal.direction import covariance, fit_response
from groundwave.train import Schedule

NUM_SAMPLES = 64
SNRS_DB = (-20.0, -15.0, -10.0, -5.0, 0.0, 5.0, 10.0, 20.0)
NUM_TRAINING = 8_000
NUM_ASKED = 120  # of each SNR: each number of sources equally often
NUM_FITTED = 4000  # of the training records, at most, that measure the response of an array

IDEAL: Mapping[str, Any] = {
    "severity": 0.0,
    "coupling_db": -300.0,  # none; rows are JSON, which has no infinity
    "num_paths": 1,
    "fractional_bandwidth": (0.0, 0.0),
    "occupied": (1.0, 1.0),
    "level_db": 0.0,
    "num_front_ends": 1,
}
UNCALIBRATED: Mapping[str, Any] = {**IDEAL, "severity": 1.0, "coupling_db": -15.0}
HARD: Mapping[str, Any] = {
    **UNCALIBRATED,
    "fractional_bandwidth": (0.2, 0.2),
    "occupied": (0.2, 1.0),
    "num_paths": 2,
    "reflection_db": 10.0,
}
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "single": {**IDEAL, "num_sources": (1, 1)},
    "single-uncalibrated": {**UNCALIBRATED, "num_sources": (1, 1)},
    "several": {**IDEAL, "num_sources": (1, 3)},
    "several-hard": {**HARD, "num_sources": (1, 3)},
}


@dataclass(frozen=True)
class Network:
    """What learns directions.

    Args:
        title: as it appears in tables.
        backbone: name in `BACKBONES`.
        objective: name in `OBJECTIVES`.
        schedule: how long and how fast.
        args: of the backbone, beyond what the contract says.
        several: whether it tells several sources.
    """

    title: str
    backbone: str
    objective: str
    schedule: Schedule
    args: Mapping[str, Any] = field(default_factory=dict)
    several: bool = False

    def config(self) -> dict[str, Any]:
        """Return all settings, as rows tell them."""
        return {**asdict(self), "batch_size": BATCH}


BATCH = 64
REFERENCE = Network("CNN on samples, 548 k weights", "aoanet", "direction", Schedule(epochs=4, lr=2e-3))
OURS = Network(
    "beamspace network (ours)",
    "beamspace",
    "directions",
    Schedule(epochs=8, lr=3e-3, precision="32-true"),
    several=True,
)


def angles(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/angles"),
    data: Sequence[str] = (*SETTINGS, "unseen"),
    seeds: Sequence[int] = (0, 1, 2),
    smoke: bool = False,
) -> Path:
    """Find directions with networks and with MUSIC, ESPRIT and beamscan, beside the Cramér-Rao bound, over the SNR.

    Networks learn from labelled records of the very array that is asked about, at all SNRs; MUSIC is told as much in a
    row where its steering vectors are fitted to the same labels. All are told the number of sources. A seed is another
    array, other records, other weights.

    Args:
        results: folder of the file of rows.
        runs: folder of training runs.
        data: settings of the scene `angles`, names in `SETTINGS`, or `unseen`: prototypes for new directions.
        seeds: of arrays, records and weights.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    place = Place(name="angles", results=results, runs=runs, smoke=smoke)
    sheet = place.sheet()
    for name in data:
        for seed in seeds[:1] if smoke else seeds:
            if name == "unseen":
                unseen_angles(sheet, place.home / "unseen", seed, small=smoke)
            else:
                _contest(Trial(name, seed, sheet, place.home, smoke))
    return sheet.path


@dataclass(frozen=True)
class Trial:
    """One setting with one seed."""

    name: str
    seed: int
    sheet: Sheet
    home: Path
    small: bool

    def scene(self, **changes: Any) -> Angles:
        """Return the scene of this array."""
        settings = {**lookup(SETTINGS, self.name, "setting"), "num_samples": NUM_SAMPLES, "records_per_class": 40}
        if self.small:
            settings |= {"size": (2, 3), "num_samples": 32, "records_per_class": 4}
        if self.small and settings["num_sources"][1] > 1:
            settings |= {"num_sources": (1, 2)}
        return Angles(**{**settings, **changes}, seed=self.seed)

    @property
    def num_training(self) -> int:
        """How many records lend their directions."""
        return 96 if self.small else NUM_TRAINING

    @property
    def snrs_db(self) -> tuple[float, ...]:
        """At which SNRs to ask."""
        return (0.0, 10.0) if self.small else SNRS_DB


def _contest(trial: Trial) -> None:
    scene = trial.scene(snr_db=(min(SNRS_DB), max(SNRS_DB)))
    num_asked = 12 if trial.small else NUM_ASKED
    first = -(-trial.num_training // scene.num_per_block) * scene.num_per_block  # no block is on both sides
    number, none = torch.arange(first + num_asked), torch.arange(0)
    plan = Plan(
        split=f"the scene's first {trial.num_training} records to learn from, {num_asked} of later blocks asked",
        pretraining=number[: trial.num_training],
        support=none,
        query=number[first:],
        validation=none,
        classes=(),
        known=tuple(range(len(scene.classes))),
    )
    check_plan(plan, number)
    training = read(SceneSource(scene, trial.num_training), plan.pretraining)
    asked = {
        snr_db: SceneSource(trial.scene(snr_db=(snr_db, snr_db)), num_asked, start=first)[torch.arange(num_asked)]
        for snr_db in trial.snrs_db
    }
    config = {"scene": dict(SETTINGS[trial.name]), "num_samples": scene.num_samples, "training": trial.num_training}
    place: dict[str, Any] = {"sheet": trial.sheet, "data": trial.name, "seed": trial.seed, "plan": plan}
    compare(_classical(scene, training), asked, config=config, **place)
    if scene.num_sources == (1, 1):
        _bound(scene, asked, trial, plan, config)
    networks = (OURS,) if scene.num_sources[1] > 1 else (REFERENCE, OURS)
    for network in networks:
        compare([_learn(network, scene, training, plan, trial)], asked, config=config, **place)


def _classical(scene: Angles, training: Record) -> list[Finder]:
    """Return methods that know the ideal array, and MUSIC that learns from the records of one source what it is."""
    single = (training["label"] + scene.num_sources[0] == 1).nonzero().flatten()[:NUM_FITTED]
    ideal = steering(scene.positions, training["angle"][single, 0])
    response = fit_response(covariance(training["array"][single]), ideal)
    return [
        *classical(scene.size, scene.spacing),
        *classical(scene.size, scene.spacing, response),
    ]


def _bound(scene: Angles, asked: Mapping[float, Record], trial: Trial, plan: Plan, config: Mapping[str, Any]) -> None:
    """Fill the cells of the bound, which holds for an array whose errors are known, as for an ideal one."""
    for snr_db, record in asked.items():
        cell = Cell(
            method="Cramér-Rao bound",
            data=trial.name,
            seed=trial.seed,
            snr_db=snr_db,
            metric="rms error (deg)",
            config=config,
        )
        if trial.sheet.missing([cell]):
            value = bound_deg(scene.positions, record["angle"], snr_db, scene.num_samples)
            split = {"split": plan.split, "split_hash": plan.hash()}
            trial.sheet.fill(cell, value, n=len(record["angle"]), seconds=1e-4, **split)


def _learn(network: Network, scene: Angles, training: Record, plan: Plan, trial: Trial) -> Finder:
    """Return a trained network as a finder; its run is kept, and found again."""
    if trial.small:
        network = replace(network, schedule=replace(network.schedule, epochs=1), args=TINY[network.backbone])
    num = scene.num_samples
    contract = ArrayContract(num, num // 4, 8 * num, size=scene.size, spacing=scene.spacing)
    geometry = {"size": scene.size, "spacing": scene.spacing} if network.backbone == "beamspace" else {}
    model = pretrain(
        Records(training, classes=scene.classes),
        out=trial.home / f"{trial.name}-{network.backbone}-{trial.seed}",
        contract=contract,
        views=(),
        schedule=network.schedule,
        indices=plan.pretraining,
        backbone=network.backbone,
        backbone_args={**geometry, **network.args},
        objective=network.objective,
        objective_args={"num_sources": scene.num_sources[1]} if network.several else {},
        batch_size=32 if trial.small else BATCH,
        others={},
        seed=trial.seed,
        card=f"# Directions from {contract.num_antennas} antennas: {network.title}\n\n{MEANING[network.objective]}\n\n"
        f"Learned from {trial.num_training} records of `angles`, setting *{trial.name}*, seed {trial.seed}.\n",
        progress=not trial.small,
    )
    return learned(network.title, model, {**network.config(), "weights_sha256": _hash(model)})


def _hash(model: Model) -> str:
    return weights_sha256(model)[:12]


MEANING: Mapping[str, str] = {
    "direction": "Answers with azimuth and elevation in radians, of one source.",
    "directions": "Answers with azimuth and elevation in radians, and the probability that a source is there, of the "
    "highest peaks, the surest first.",
}
TINY: Mapping[str, Mapping[str, Any]] = {
    "aoanet": {"widths": (8, 8), "hidden": 16},
    "beamspace": {"dim": 8, "depth": 1, "cells": 8},
}
