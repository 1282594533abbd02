"""ProtoAoA's question: azimuths from which training has heard nothing, and a few labelled records for each."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from groundwave.adapt.angles import PrototypeRegression, ResidualPrototypes
from groundwave.bench.cells import Cell, Sheet
from groundwave.bench.directions import Find, classical, learned
from groundwave.bench.methods import weights_sha256
from groundwave.bench.plans import Plan, check_plan
from groundwave.contract import ArrayContract, InputContract
from groundwave.contracts import Record
from groundwave.data.sources import Records, SceneSource
from groundwave.model import Model
from groundwave.pretrain.run import pretrain
from groundwave.recipes.inputs import read
from groundwave.rng import generator
from groundwave.scenes.angles import Angles
from groundwave.signal.array import steering
from groundwave.signal.direction import covariance, fit_response
from groundwave.train import Schedule

STEP_DEG = 2.0  # width of a class of azimuths
EDGE_DEG = 60.0
SEEN_SHARE = 0.23  # of the classes, as published
NUM_TRAINING, NUM_LATER = 8_000, 4_400  # records of all azimuths, of which those of seen, or of new ones are taken
SHOTS = (4, 8, 32)
NUM_EPISODES, NUM_QUERIES = 100, 4
METRIC = "azimuth error (deg)"
SCENE: Mapping[str, Any] = {
    "severity": 1.0,
    "coupling_db": -15.0,
    "num_paths": 1,
    "fractional_bandwidth": (0.0, 0.0),
    "occupied": (1.0, 1.0),
    "num_front_ends": 1,
    "num_sources": (1, 1),
    "azimuth_rad": (-math.radians(EDGE_DEG), math.radians(EDGE_DEG)),
    "elevation_rad": (0.0, 0.0),
    "snr_db": (0.0, 20.0),
    "num_samples": 64,
    "records_per_class": 40,
}
PROTONET = Schedule(epochs=40, lr=1e-3)
OURS = Schedule(epochs=6, lr=3e-3, precision="32-true")

Few = Callable[[Tensor, Tensor, Tensor], Tensor]  # rows of support, their azimuths, rows of queries -> azimuths


def unseen_angles(sheet: Sheet, home: Path, seed: int, *, small: bool) -> None:
    """Tell azimuths of classes that training has not heard, with few labels for each of them.

    A class is two degrees of azimuth, and what is told of a record is the middle of its class. Training hears 23 % of
    the classes. Errors are those of the true azimuth, of an array that nobody has calibrated, at 0 to 20 dB.
    """
    scene = Angles(**{**SCENE, **({"num_samples": 32, "size": (2, 3)} if small else {})}, seed=seed)
    plan, label, record = _parted(scene, seed, small)
    middle = STEP_DEG * (label + 0.5) - EDGE_DEG
    fewest = {len(plan.classes): int(label[plan.query].bincount(minlength=1)[list(plan.classes)].min())}
    shots = (2,) if small else SHOTS
    assert min(fewest.values()) > max(shots) + (1 if small else NUM_QUERIES), f"too few records of a class: {fewest}"
    episodes = [_episode(label, plan, seed, number) for number in range(2 if small else NUM_EPISODES)]
    truth = record["angle"][:, 0, 0].rad2deg()
    config = {"scene": {**SCENE, "num_samples": scene.num_samples}, "step_deg": STEP_DEG, "seen": len(plan.known)}
    known = torch.stack([middle.deg2rad(), torch.zeros(len(middle))], -1)  # what labels tell
    ways = _subspace(scene, record, known, plan) | _networks(scene, record, label, known, plan, home, seed, small)
    for title, (answer, settings) in ways.items():
        place: dict[str, Any] = {"data": "unseen", "seed": seed, "config": {**config, **settings}}
        for count in shots:
            cell = Cell(method=title, shots=count, metric=METRIC, **place)
            if not sheet.missing([cell]):
                continue
            started, errors = time.perf_counter(), []
            for order in episodes:
                support = order[:, :count].flatten()
                query = order[:, max(shots) :].flatten()
                errors.append((answer(support, middle[support], query) - truth[query]).abs().mean())
            sheet.fill(
                cell,
                float(torch.stack(errors).mean()),
                n=len(errors) * len(query),
                split=plan.split,
                split_hash=plan.hash(),
                seconds=time.perf_counter() - started,
            )


def _parted(scene: Angles, seed: int, small: bool) -> tuple[Plan, Tensor, Record]:
    """Return who may see what, each record's class, and the records: seen classes first, then later ones of new."""
    training, later = (2 * NUM_LATER // 10, NUM_LATER // 4) if small else (NUM_TRAINING, NUM_LATER)
    source = SceneSource(scene, training + later)
    record = read(source, torch.arange(len(source)))
    label = ((record["angle"][:, 0, 0].rad2deg() + EDGE_DEG) / STEP_DEG).long().clamp(0, NUM_CLASSES - 1)
    order = torch.randperm(NUM_CLASSES, generator=generator(seed, "seen angles"))
    num_seen = round(SEEN_SHARE * NUM_CLASSES)
    known, new = order[:num_seen].sort().values, order[num_seen:].sort().values
    first = torch.arange(len(source)) < training
    plan = Plan(
        split=f"{num_seen} of {NUM_CLASSES} classes of azimuth to train on, all others asked, of later records",
        pretraining=(first & torch.isin(label, known)).nonzero().flatten(),
        support=torch.arange(0),
        query=(~first & torch.isin(label, new)).nonzero().flatten(),
        validation=torch.arange(0),
        classes=tuple(new.tolist()),
        known=tuple(known.tolist()),
    )
    return check_plan(plan, torch.arange(len(source))), label, record


NUM_CLASSES = round(2 * EDGE_DEG / STEP_DEG)


def _episode(label: Tensor, plan: Plan, seed: int, number: int) -> Tensor:
    """Return rows `[class, shots + queries]` of each new class: those of a support come first, queries last."""
    draw = generator(seed, "unseen angles", number)
    rows = []
    for one in plan.classes:
        of = plan.query[label[plan.query] == one]
        rows.append(of[torch.randperm(len(of), generator=draw)[: max(SHOTS) + NUM_QUERIES]])
    return torch.stack([row[: min(map(len, rows))] for row in rows])


Ways = dict[str, tuple[Few, dict[str, Any]]]


def _subspace(scene: Angles, record: Record, known: Tensor, plan: Plan) -> Ways:
    """Return MUSIC, which knows that there is no elevation, on the ideal array and on one fitted to the seen angles."""
    ideal = steering(scene.positions, known[plan.pretraining])
    response = fit_response(covariance(record["array"][plan.pretraining]), ideal)
    plain, fitted = (
        _azimuths(classical(scene.size, scene.spacing, given, level=True)[0].find, record, plan)
        for given in (None, response)
    )
    level = {"elevation": "known"}
    return {
        "MUSIC": (lambda _, __, query: plain[query], {"labels": "none", **level}),
        "MUSIC, calibrated with the seen angles": (lambda _, __, query: fitted[query], {"labels": "seen", **level}),
        "MUSIC, calibrated, with residual prototypes": (_mended(fitted), {"labels": "seen, few", **level}),
    }


def _networks(
    scene: Angles, record: Record, label: Tensor, known: Tensor, plan: Plan, home: Path, seed: int, small: bool
) -> Ways:
    """Return ProtoNet on a CNN, as published, and ours."""
    told = {**record, "angle": known[:, None], "label": _numbered(label, plan)}
    network, net_config = _ours(scene, told, plan, home, seed, small)
    estimate = _azimuths(learned("", network, {}).find, record, plan)
    features, config = _protonet(scene, told, plan, home, seed, small)

    def prototypes(nearest: bool) -> Few:
        return lambda rows, value, query: (
            PrototypeRegression(nearest).fit(features[rows], value).predict(features[query])
        )

    return {
        "ProtoNet on a CNN, nearest": (prototypes(nearest=True), config),
        "ProtoNet on a CNN, regression": (prototypes(nearest=False), config),
        "beamspace network, no shots": (lambda _, __, query: estimate[query], net_config),
        "beamspace network with residual prototypes (ours)": (_mended(estimate), net_config),
    }


def _mended(said: Tensor) -> Few:
    """Return what mends azimuths that were said, in degrees by row, with residual prototypes."""
    return lambda rows, value, query: ResidualPrototypes(STEP_DEG).fit(said[rows], value).predict(said[query])


def _azimuths(find: Find, record: Record, plan: Plan) -> Tensor:
    """Return the azimuths in degrees that a way finds in what is asked, by row of the record."""
    said = torch.full((len(record["array"]),), torch.nan)
    said[plan.query] = find(record["array"][plan.query], 1)[:, 0, 0].rad2deg().nan_to_num(90.0)
    return said


def _numbered(label: Tensor, plan: Plan) -> Tensor:
    """Return the number of each record's class among the seen ones; -1 for the others."""
    number = torch.full((NUM_CLASSES,), -1).scatter(0, torch.tensor(plan.known), torch.arange(len(plan.known)))
    return number[label]


def _ours(scene: Angles, told: Record, plan: Plan, home: Path, seed: int, small: bool) -> tuple[Model, dict[str, Any]]:
    """Return the beamspace network, trained on the middles of the seen classes."""
    num = scene.num_samples
    args: dict[str, Any] = {"size": scene.size, "spacing": scene.spacing}
    args |= {"dim": 8, "depth": 1, "cells": 8} if small else {}
    model = pretrain(
        Records(told, classes=_names(plan)),
        out=home / f"beamspace-{seed}",
        contract=ArrayContract(num, num // 4, 8 * num, size=scene.size, spacing=scene.spacing),
        views=(),
        schedule=Schedule(epochs=1, precision="32-true") if small else OURS,
        indices=plan.pretraining,
        backbone="beamspace",
        backbone_args=args,
        objective="directions",
        objective_args={},
        batch_size=64,
        others={},
        seed=seed,
        card="# Azimuths from classes of two degrees\n\nAnswers with azimuth and elevation in radians, and how sure.\n",
        progress=not small,
    )
    told_of = {"objective": "directions", "backbone": "beamspace", "schedule": asdict(OURS), "labels": "seen, few"}
    return model, {**told_of, "weights_sha256": weights_sha256(model)[:12]}


def _names(plan: Plan) -> tuple[str, ...]:
    """Return the names of the seen classes: the middles of their azimuths."""
    return tuple(f"{STEP_DEG * (one + 0.5) - EDGE_DEG:g}" for one in plan.known)


def _protonet(
    scene: Angles, told: Record, plan: Plan, home: Path, seed: int, small: bool
) -> tuple[Tensor, dict[str, Any]]:
    """Return the features of a CNN trained by episodes of the seen classes, by row of the record."""
    contract = InputContract(scene.num_samples, scene.num_samples // 4, 8 * scene.num_samples, scene.coupled.shape[0])
    model = pretrain(
        Records({"iq": told["array"], "label": told["label"], "group": told["group"]}, classes=_names(plan)),
        out=home / f"protonet-{seed}",
        contract=contract,
        views=(),
        schedule=Schedule(epochs=1) if small else PROTONET,
        indices=plan.pretraining,
        backbone="aoanet",
        backbone_args={"widths": (8, 8), "hidden": 16} if small else {},
        objective="protonet",
        objective_args={"num_ways": 8, "num_shots": 2 if small else 4, "num_queries": 2 if small else 4},
        batch_size=min(256, len(plan.pretraining)),
        others={},
        seed=seed,
        card="# Features of azimuths, by episodes\n",
        progress=not small,
    )
    features = torch.zeros(len(told["array"]), model.num_features)
    features[plan.query] = model.embed(told["array"][plan.query])
    return features, {"objective": "protonet", "backbone": "aoanet", "schedule": asdict(PROTONET), "labels": "few"}
