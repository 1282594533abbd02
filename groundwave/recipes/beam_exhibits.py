"""What the prototypes of beams look like inside: maps of features, mistakes, frequencies that count, calibration."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from groundwave.adapt import LEARNERS
from groundwave.adapt.alignment import aligned
from groundwave.atomic import write_atomically
from groundwave.bench.cells import Cell
from groundwave.bench.contest import Contender, Setting, encoder
from groundwave.contracts import Record
from groundwave.data.episodes import episodes
from groundwave.metrics import Reliability, reliability
from groundwave.model import Model
from groundwave.nn.complex import to_channels
from groundwave.page import png
from groundwave.recipes.beam_sets import AWAY, HOME, BeamSet, Field
from groundwave.rng import generator

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CALIBRATION, NEXT = "expected calibration error", "mistakes to the next beam"
SHOWN = 8  # beams on a map
SHOTS = 8
AT_ONCE = 256


def exhibit(field: Field, beams: BeamSet, contender: Contender) -> None:
    """Draw the first pair's answers with few labels, at home and away, and note calibration and mistakes as rows."""
    titles = ("features by antenna", "features by beam", "mistakes by distance", "frequencies", "reliability")
    settings = dict(zip((HOME, AWAY), field.settings(beams, field.pairs[0]), strict=True))
    cells = {where: _cells(contender, setting) for where, setting in settings.items()}
    missing = [cell for where, setting in settings.items() for cell in setting.sheet.missing(cells[where])]
    if not missing and all(_file(field, title).exists() for title in titles):
        return
    from groundwave.bench.beam_pictures import distance_picture, frequency_picture, reliability_picture

    model = encoder(contender, settings[HOME].plan, settings[HOME], "all")
    assert model is not None
    answers = {where: _answered(model, setting, cells[where]) for where, setting in settings.items()}
    by_antenna, by_beam = _maps(model, settings)
    rate = float(settings[HOME].source[torch.tensor([0])]["sample_rate_hz"][0])
    pictures = (
        by_antenna,
        by_beam,
        distance_picture({where: apart.numpy() for where, (apart, _) in answers.items()}),
        frequency_picture(frequency_weights(model, settings[HOME]).numpy(), rate),
        reliability_picture({where: curve for where, (_, curve) in answers.items()}),
    )
    for title, picture in zip(titles, pictures, strict=True):
        _file(field, title).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(_file(field, title), png(picture))


def _file(field: Field, title: str) -> Path:
    return field.home / "pictures" / f"{field.name}-{title.replace(' ', '-')}.png"


def _cells(contender: Contender, setting: Setting) -> list[Cell]:
    """Return the cells that tell of the answers with few labels: calibration, and mistakes to the next beam."""
    config = {**setting.config, **contender.config(), "learner": "prototypes", "aligned": True}
    return [
        Cell(
            method="ours, + test-time normalisation",
            data=setting.data,
            seed=setting.seed,
            shots=SHOTS,
            metric=m,
            config=config,
        )
        for m in (CALIBRATION, NEXT)
    ]


def _answered(model: Model, setting: Setting, cells: list[Cell]) -> tuple[Tensor, Reliability]:
    """Return by how many beams answers are off, and their calibration, over a few draws of the labels."""
    start = time.perf_counter()
    features, label, drawn = _episodes(model, setting)
    probabilities, truth = [], []
    for support, query in drawn:
        learner = LEARNERS["prototypes"]().fit({"features": features[support], "label": label[support]})
        probabilities.append(learner.predict({"features": features[query]}))
        truth.append(label[query])
    curve = reliability(torch.cat(probabilities), torch.cat(truth))
    apart = torch.cat(probabilities).argmax(dim=1) - torch.cat(truth)
    wrong = apart[apart != 0].abs()
    values = (curve.error, float((wrong == 1).double().mean()) if len(wrong) else 0.0)
    proof: dict[str, Any] = {"split": setting.plan.split, "split_hash": setting.plan.hash()}
    seconds = time.perf_counter() - start
    for cell, value in zip(cells, values, strict=True):
        if setting.sheet.missing([cell]):
            setting.sheet.fill(cell, value, n=len(apart), seconds=seconds, **proof)
    return apart, curve


def _episodes(model: Model, setting: Setting) -> tuple[Tensor, Tensor, list[tuple[Tensor, Tensor]]]:
    """Return features of what lends labels and of what is asked, their labels, and draws of both."""
    rows = torch.cat([setting.plan.support, setting.plan.query])
    embedded = model.embed(setting.source[rows]["iq"])
    label = setting.source.labels[rows]
    lends = torch.arange(len(rows)) < len(setting.plan.support)
    shots = min(SHOTS, int(label[lends].bincount().min()))
    drawn = episodes(
        label,
        None,
        num_shots=shots,
        num_episodes=10,
        generator=generator(setting.seed, "exhibit", setting.data),
        support_pool=lends.nonzero()[:, 0],
        query_pool=(~lends).nonzero()[:, 0],
    )
    return aligned(embedded, torch.zeros(len(rows), dtype=torch.int64)), label, list(drawn)


def _maps(model: Model, settings: dict[str, Setting]) -> tuple["Figure", "Figure"]:
    """Return maps of the queries' features: of both antennas together, and of some beams on each of them."""
    from groundwave.bench.pictures import embedding_maps

    features, beams = {}, {}
    for where, setting in settings.items():
        rows = setting.plan.query
        label = setting.source.labels[rows]
        order = label.argsort(stable=True)
        beams[where] = label[order]
        features[where] = model.embed(setting.source[rows[order]]["iq"])
    num = min(map(len, beams.values()))
    number = torch.arange(len(settings)).repeat_interleave(num)
    together = torch.cat([x[:num] for x in features.values()])
    antennas = {"as learned": together, "normalised on each": aligned(together, number)}
    first = embedding_maps(_arrays(antennas), number.numpy(), list(settings), method="PCA")
    classes = settings[HOME].source.classes
    shown = torch.arange(0, len(classes), max(1, len(classes) // SHOWN))[:SHOWN]
    adapted = {f"{AWAY}, scores of its prototypes": _head(model, settings[AWAY])(features[AWAY]).detach()}
    maps = {f"{where}, features": x for where, x in features.items()} | adapted
    kept = {where: torch.isin(beams[where], shown) for where in settings}
    label = beams[HOME][kept[HOME]]
    panels = {title: x[kept[HOME if title.startswith(HOME) else AWAY]] for title, x in maps.items()}
    names = [f"beam {classes[b]}" for b in shown.tolist()]
    second = embedding_maps(_arrays(panels), torch.searchsorted(shown, label).numpy(), names, method="PCA")
    return first, second


def _head(model: Model, setting: Setting) -> nn.Module:
    """Return the head of prototypes that are learned from few labels of the antenna that is asked."""
    support = setting.plan.support
    label = setting.source.labels[support]
    some = torch.cat([support[label == b][:SHOTS] for b in label.unique()])
    record = {"features": model.embed(setting.source[some]["iq"]), "label": setting.source.labels[some]}
    return LEARNERS["prototypes"]().fit(record).head


def _arrays(features: dict[str, Tensor]) -> dict[str, NDArray[np.float32]]:
    return {title: x.numpy() for title, x in features.items()}


def frequency_weights(model: Model, setting: Setting, num_bins: int = 64) -> Tensor:
    """Return how much each frequency counts for each beam `[beam, freq]`, DC in the middle.

    It is the squared gradient of the score of the true beam by the input, in the frequency domain, averaged over the
    records that are asked (saliency, Simonyan et al., 2014).
    """
    rows = setting.plan.query
    head = _head(model, setting)
    total = torch.zeros(len(setting.source.classes), num_bins)
    for some in rows.split(AT_ONCE):
        record: Record = setting.source[some]
        iq = model.contract.prepare(record["iq"]).requires_grad_()
        scores = head(model.backbone(to_channels(iq)))
        (gradient,) = torch.autograd.grad(scores.gather(1, record["label"][:, None]).sum(), iq)
        power = torch.fft.fftshift(torch.fft.fft(gradient), dim=-1).abs().square()
        pooled = torch.nn.functional.adaptive_avg_pool1d(power[:, None], num_bins)[:, 0]
        total.index_add_(0, record["label"], pooled)
    return total
