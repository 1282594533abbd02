"""The few-shot engine: the same episodes for every method, one row for each."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from groundwave.bench.methods import Method
from groundwave.bench.rows import Row, append, done, read
from groundwave.contracts import Record
from groundwave.data.episodes import episodes
from groundwave.data.split import split_hash
from groundwave.metrics import macro_recall
from groundwave.rng import generator

Episode = tuple[Tensor, Tensor]


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
        record: batched record with `iq` and `label`, held in memory.
        drawn: support and query rows of each episode, by its number.
        methods: what to compare.
    """
    for method in methods:
        start = time.perf_counter()
        rows = torch.cat([torch.cat(episode) for episode in drawn.values()]).unique()
        known = {key: record[key] for key in ("iq", "label")}
        if method.embed is not None:
            features = method.embed(record["iq"][rows])
            known["features"] = features.new_zeros(len(record["iq"]), features.shape[1]).index_copy(0, rows, features)
        shared = (time.perf_counter() - start) / len(drawn)
        for number, (support, query) in drawn.items():
            start = time.perf_counter()
            # Learners want classes numbered from 0 without a gap; an episode may hold any.
            classes, label = known["label"][support].unique(return_inverse=True)
            learner = method.learner(number).fit({**{k: v[support] for k, v in known.items()}, "label": label})
            prediction = classes[learner.predict({k: v[query] for k, v in known.items()}).argmax(dim=-1)]
            truth = known["label"][query]
            seconds = time.perf_counter() - start + shared
            recall = macro_recall(prediction, truth)
            yield Score(method.name, number, recall, len(query), seconds, prediction, truth)


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
        config: settings to store with each row.

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
    all_episodes = list(drawn)
    keys = ("method", "data", "snr_db", "shots", "seed", "episode")
    finished = done(read(results), keys)
    scores = []
    for method in methods:
        missing = {
            number: episode
            for number, episode in enumerate(all_episodes)
            if (method.name, data, snr_db, num_shots, seed, number) not in finished
        }
        for result in score(record, missing, [method]) if missing else ():
            support, query = missing[result.episode]
            append(
                results,
                Row(
                    protocol=protocol,
                    method=method.name,
                    data=data,
                    metric="macro recall",
                    value=result.macro_recall,
                    n=result.num_queries,
                    split=split,
                    split_hash=split_hash({"support": support, "query": query}),
                    seed=seed,
                    episode=result.episode,
                    shots=num_shots,
                    snr_db=snr_db,
                    seconds=round(result.seconds, 4),
                    config=config or {},
                ),
            )
            scores.append(result)
    return scores
