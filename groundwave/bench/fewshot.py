"""The few-shot engine: the same episodes for every method, one row for each."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from groundwave.bench.methods import Method
from groundwave.contracts import Record
from groundwave.metrics import macro_recall

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


def score(record: Record, episodes: Sequence[Episode], methods: Iterable[Method]) -> Iterator[Score]:
    """Yield the score of each method in each episode; features are computed once per method.

    Args:
        record: batched record with `iq` and `label`, held in memory.
        episodes: support and query rows of each episode.
        methods: what to compare.
    """
    for method in methods:
        start = time.perf_counter()
        rows = torch.cat([torch.cat(episode) for episode in episodes]).unique()
        known = {key: record[key] for key in ("iq", "label")}
        if method.embed is not None:
            features = method.embed(record["iq"][rows])
            known["features"] = features.new_zeros(len(record["iq"]), features.shape[1]).index_copy(0, rows, features)
        shared = (time.perf_counter() - start) / len(episodes)
        for number, (support, query) in enumerate(episodes):
            start = time.perf_counter()
            # Learners want classes numbered from 0 without a gap; an episode may hold any.
            classes, label = known["label"][support].unique(return_inverse=True)
            learner = method.learner(number).fit({**{k: v[support] for k, v in known.items()}, "label": label})
            prediction = classes[learner.predict({k: v[query] for k, v in known.items()}).argmax(dim=-1)]
            truth = known["label"][query]
            seconds = time.perf_counter() - start + shared
            recall = macro_recall(prediction, truth)
            yield Score(method.name, number, recall, len(query), seconds, prediction, truth)
