"""Whitening: make a pretrained model's features count alike by what its views change."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from groundwave.contracts import Record, Source, View
from groundwave.model import Model
from groundwave.nn.white import White
from groundwave.rng import generator

NUM_RECORDS = 3000
AT_ONCE = 256


@torch.no_grad()
def whitened(model: Model, source: Source, rows: Tensor, views: Sequence[View], *, seed: int, rank: int = 256) -> Model:
    """Return the model with its features whitened by what differs between two random views of a record.

    Args:
        model: of IQ or any modality; its network is shared, not copied.
        source: where unlabelled records come from.
        rows: those that may be looked at, int64 `[M]`; up to 3000 of them are.
        views: what the answers do not depend on, those of its pretraining.
        seed: of the choice of records and the views.
        rank: see `White`.
    """
    order = torch.randperm(len(rows), generator=generator(seed, "whitening"))
    chosen = rows[order[:NUM_RECORDS]]
    model.modules().eval()
    device = next(model.backbone.parameters(), torch.empty(0)).device
    looks: tuple[list[Tensor], list[Tensor]] = ([], [])
    for step, some in enumerate(chosen.split(AT_ONCE)):
        record = source[some]
        for which, features in enumerate(looks):
            seen = _viewed(record, views, seed, step, which)
            channels = model.contract.channels(model.contract.prepare(seen))
            features.append(model.backbone(channels.to(device)).float().cpu())
    told = {"backbone": model.spec["backbone"], "rank": rank}
    white = White(backbone=model.backbone, rank=rank).learn(torch.cat(looks[0]), torch.cat(looks[1])).to(device)
    args = {"num_channels": model.contract.num_channels, **told}
    return replace(model, backbone=white.eval(), spec={**model.spec, "backbone": {"name": "white", "args": args}})


def _viewed(record: Record, views: Sequence[View], seed: int, step: int, which: int) -> Record:
    stream = generator(seed, "whitening", step, which)
    for view in views:
        record = view(record, stream)
    return record
