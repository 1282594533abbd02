"""The few-shot engine: the same episodes for every method, one row for each."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from groundwave.bench.methods import Method
from groundwave.bench.patches import PatchVote
from groundwave.bench.rows import Row, append, done, hash_config, read
from groundwave.contracts import Record
from groundwave.data.episodes import episodes
from groundwave.data.split import split_hash
from groundwave.errors import GroundwaveError
from groundwave.metrics import macro_recall
from groundwave.rng import generator

Episode = tuple[Tensor, Tensor]


FAILURES = (ValueError, RuntimeError)  # a GroundwaveError is a ValueError; what else goes wrong is a fault to be seen


class Score(NamedTuple):
    """What one method did in one episode."""

    method: str
    episode: int
    macro_recall: float
    num_queries: int
    seconds: float
    prediction: Tensor
    label: Tensor


def score(record: Record, drawn: Mapping[int, Episode], methods: Iterable[Method]) -> Iterator[Score]:
    """Yield the score of each method in each episode; features are computed once per method.

    Args:
        record: batched record with `iq` and `label`, held in memory; `features`, where it has them, are every method's.
        drawn: support and query rows of each episode, by its number.
        methods: what to compare.
    """
    for method in methods:
        start = time.perf_counter()
        known = _known(record, drawn, method)
        shared = (time.perf_counter() - start) / len(drawn)
        for number, episode in drawn.items():
            yield _answer(known, number, episode, method, shared)


def _known(record: Record, drawn: Mapping[int, Episode], method: Method) -> Record:
    """Return what the method's learner may see of the records, with features where it reads features."""
    known: Record = {key: record[key] for key in ("iq", "label", "features") if key in record}
    if method.embed is not None:
        rows = torch.cat([torch.cat(episode) for episode in drawn.values()]).unique()
        features = method.embed(record["iq"][rows])
        known["features"] = features.new_zeros(len(record["iq"]), features.shape[1]).index_copy(0, rows, features)
    return known


def _answer(known: Record, number: int, episode: Episode, method: Method, shared: float) -> Score:
    """Learn from the support and answer the queries; `shared` seconds are the episode's part of the features."""
    start = time.perf_counter()
    support, query = episode
    # Learners want classes numbered from 0 without a gap; an episode may hold any.
    classes, label = known["label"][support].unique(return_inverse=True)
    truth = known["label"][query]
    learner = method.learner(number)
    if isinstance(learner, PatchVote):  # repeats, where asked to, a published leak
        learner.see({**{k: v[query] for k, v in known.items()}, "label": torch.searchsorted(classes, truth)})
    learner = learner.fit({**{k: v[support] for k, v in known.items()}, "label": label})
    prediction = classes[learner.predict({k: v[query] for k, v in known.items()}).argmax(dim=-1)]
    seconds = time.perf_counter() - start + shared
    return Score(method.name, number, macro_recall(prediction, truth), len(query), seconds, prediction, truth)


def _attempts(record: Record, drawn: Mapping[int, Episode], method: Method) -> Iterator[tuple[int, Score | str]]:
    """Yield each episode's score or the reason why it has none; what fails in one does not stop the others."""
    start = time.perf_counter()
    try:
        known = _known(record, drawn, method)
    except FAILURES as error:
        yield from ((number, reason(error)) for number in drawn)
        return
    shared = (time.perf_counter() - start) / len(drawn)
    for number, episode in drawn.items():
        try:
            yield number, _answer(known, number, episode, method, shared)
        except FAILURES as error:
            yield number, reason(error)


def reason(error: Exception) -> str:
    """Return what a failed cell says of an error."""
    return str(error) if isinstance(error, GroundwaveError) else f"{type(error).__name__}: {error}"


def measure(
    record: Record,
    methods: Sequence[Method],
    *,
    protocol: str,
    data: str,
    results: Path,
    num_shots: int,
    num_episodes: int,
    seed: int,
    support_pool: Tensor | None = None,
    query_pool: Tensor | None = None,
    classes: Sequence[int] | None = None,
    split: str = "episodes by group",
    snr_db: float | None = None,
    config: Mapping[str, Any] | None = None,
) -> list[Score]:
    """Score methods on the same episodes and append a row for each to `results`; episodes already there are skipped.

    An episode is there when a row has its number, its setting and the same `config_hash`, that is, the same method with
    the same weights. Where a method fails, the row says why, the others go on, and the next call tries again.

    Support and query never share a group. The metric is macro recall, which for equally many queries per class is
    accuracy.

    Args:
        record: batched record with `iq`, `label` and `group`, held in memory.
        methods: what to compare.
        protocol: name of the protocol.
        data: name of the data.
        results: file of rows.
        num_shots: labelled records per class.
        num_episodes: episodes, each with its own support.
        seed: addresses the episodes.
        support_pool: records that may be labelled; all by default.
        query_pool: records that may be asked; all by default.
        classes: classes in play; all by default.
        split: how support and query are kept apart.
        snr_db: where all records share one.
        config: settings to store with each row, beside those of its method.

    Returns:
        The scores computed in this call.
    """
    drawn = episodes(
        record["label"],
        record["group"],
        num_shots=num_shots,
        num_episodes=num_episodes,
        generator=generator(seed, protocol, data, num_shots),
        classes=classes,
        support_pool=support_pool,
        query_pool=query_pool,
    )
    all_episodes = dict(enumerate(drawn))
    finished = done(read(results), ("method", "data", "snr_db", "shots", "seed", "config_hash", "episode"))
    scores = []
    for method in methods:
        settings = {**(config or {}), **method.config}
        cell = (method.name, data, snr_db, num_shots, seed, hash_config(settings))
        missing = {number: episode for number, episode in all_episodes.items() if (*cell, number) not in finished}
        for number, outcome in _attempts(record, missing, method) if missing else ():
            support, query = missing[number]
            found = outcome if isinstance(outcome, Score) else None
            append(
                results,
                Row(
                    protocol=protocol,
                    method=method.name,
                    data=data,
                    metric="macro recall",
                    value=found.macro_recall if found else None,
                    n=len(query),
                    split=split,
                    split_hash=split_hash({"support": support, "query": query}),
                    seed=seed,
                    episode=number,
                    shots=num_shots,
                    snr_db=snr_db,
                    seconds=round(found.seconds, 4) if found else 0.0,
                    config=settings,
                    failed=None if isinstance(outcome, Score) else outcome,
                ),
            )
            scores += [found] if found else []
    return scores
