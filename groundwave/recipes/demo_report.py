"""The demo's report: what was found, in the order in which a reader asks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from groundwave.bench.fewshot import score
from groundwave.bench.methods import probe
from groundwave.bench.pictures import accuracy_against_snr, annotated_spectrogram, confusion_picture, embedding_maps
from groundwave.bench.report import write_report
from groundwave.bench.rows import Row
from groundwave.bench.tables import tabulate
from groundwave.contracts import Record
from groundwave.data.episodes import episodes
from groundwave.data.recording import Annotation, Recording
from groundwave.metrics import confusion
from groundwave.model import Model
from groundwave.page import Section
from groundwave.rng import generator

METRIC = "macro recall"
NUM_MAPPED = 1100
NUM_CONFUSED = 10


@dataclass(frozen=True)
class Findings:
    """What the demo has found.

    Args:
        data: name of the data.
        rows: every score.
        classes: names of the labels.
        trials: labelled records by SNR.
        pools: records that may be labelled, and that may be asked.
        models: encoders to map, by title; the last one is shown in the confusion matrix.
        times: seconds by step.
        annotated: a recording, what was found in it, and the truth.
    """

    data: str
    rows: Sequence[Row]
    classes: Sequence[str]
    trials: Mapping[float | None, Record]
    pools: tuple[Tensor, Tensor] | None
    models: Mapping[str, Model]
    times: Mapping[str, float]
    annotated: tuple[Recording, list[Annotation], list[Annotation]] | None


def demo_report(out: Path, findings: Findings, *, num_shots: int, seed: int) -> Path:
    """Write the report and return its path."""
    sections = [_accuracy(findings, num_shots), _confusion(findings, num_shots, seed), _maps(findings)]
    if findings.annotated is not None:
        sections.append(_recording(*findings.annotated))
    return write_report(
        out,
        "Groundwave: from unlabelled recordings to a working model",
        sections,
        lead=f"{findings.data}; {num_shots} labels per class; intervals are 95 % over episodes.",
        times=findings.times,
    )


def _accuracy(findings: Findings, num_shots: int) -> Section:
    by_snr = None not in findings.trials
    classes = len(next(iter(findings.trials.values()))["label"].unique())
    figures = {}
    if by_snr:
        caption = f"Recall averaged over {classes} classes against SNR; bands are 95 % intervals over episodes."
        figures[caption] = accuracy_against_snr(findings.rows, 1 / classes, METRIC)
    return Section(
        "What a handful of labels is worth",
        [
            f"Every method learns from the same {num_shots} labelled records per class and is asked about records of "
            "other groups. The frozen encoders have never seen a label; training from scratch uses their architecture "
            "and the same few labels; the classical methods use higher-order cumulants or hand-made features."
        ],
        [tabulate(findings.rows, "snr_db" if by_snr else "shots", METRIC)],
        figures,
    )


def _confusion(findings: Findings, num_shots: int, seed: int) -> Section:
    """Sum the confusion of the last model over a few episodes at the middle SNR above zero."""
    above = sorted(snr for snr in findings.trials if snr is not None and snr > 0)
    snr_db = above[len(above) // 2] if above else None
    record = findings.trials[snr_db]
    name, model = list(findings.models.items())[-1]
    support_pool, query_pool = findings.pools or (None, None)
    drawn = episodes(
        record["label"],
        record["group"],
        num_shots=num_shots,
        num_episodes=NUM_CONFUSED,
        generator=generator(seed, "demo", "confusion"),
        support_pool=support_pool,
        query_pool=query_pool,
    )
    scores = list(score(record, dict(enumerate(drawn)), [probe(name, model)]))
    prediction, label = torch.cat([s.prediction for s in scores]), torch.cat([s.label for s in scores])
    present, both = torch.cat([label, prediction]).unique(return_inverse=True)
    matrix = confusion(both[len(label) :], both[: len(label)], len(present))
    where = f" at {snr_db:g} dB" if snr_db is not None else ""
    return Section(
        "What is taken for what",
        figures={
            f"{name}, frozen{where}: rows are the truth, in percent, over {NUM_CONFUSED} episodes.": confusion_picture(
                matrix.numpy(), [findings.classes[int(c)] for c in present]
            )
        },
    )


def _maps(findings: Findings) -> Section:
    record = findings.trials[max(findings.trials, key=lambda snr: snr or 0)]
    labelled = (record["label"] >= 0).nonzero()[:, 0]
    chosen = labelled[torch.linspace(0, len(labelled) - 1, min(NUM_MAPPED, len(labelled))).long()]
    features = {title: model.embed(record["iq"][chosen]).numpy() for title, model in findings.models.items()}
    picture = embedding_maps(features, record["label"][chosen].numpy(), list(findings.classes))
    return Section(
        "What pretraining does to the embedding",
        ["Each dot is a record; its colour is its class, which no encoder was told."],
        figures={
            "The same records in the feature space of each encoder, flattened to two dimensions (t-SNE).": picture
        },
    )


def _recording(recording: Recording, found: list[Annotation], truth: list[Annotation]) -> Section:
    hits = sum(_right(burst, found) for burst in truth)
    return Section(
        "A recording, annotated",
        [
            f"The adapted model went through {recording.num_samples / recording.sample_rate_hz:.0f} s of signal it had "
            f"never seen: of {len(truth)} bursts, {hits} were found and named rightly for most of their length. The "
            "annotations lie beside the recording as SigMF."
        ],
        figures={"What was found, the truth, and the spectrogram.": annotated_spectrogram(recording, found, truth)},
    )


def _right(burst: Annotation, found: Sequence[Annotation]) -> bool:
    """Return whether annotations with the burst's label cover most of it."""
    stop = burst.start + burst.count
    same = [a for a in found if a.label == burst.label]
    covered = sum(max(0, min(stop, a.start + a.count) - max(burst.start, a.start)) for a in same)
    return covered > burst.count / 2
