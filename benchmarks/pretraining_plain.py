"""Pretraining as one would write it without further thought: the same network and loss in float32, step by step.

XCiT's layers are written down as its paper has them: channels before time, whole maps, scales on the branches. All that
an objective needs besides is our own, as it takes little time.
"""

import time
from collections.abc import Callable, Iterator
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from groundwave.contracts import Record
from groundwave.nn import attention, patch
from groundwave.rng import generator, stable_hash
from groundwave.train import Schedule, warm_cosine


def _cross_covariance(layer: Any, x: Tensor) -> Tensor:
    split = layer.qkv(x).unflatten(-1, (3, layer.num_heads, -1)).permute(2, 0, 3, 4, 1).contiguous()
    query, key, value = split.unbind(0)
    query, key = F.normalize(query, dim=-1) * layer.temperature, F.normalize(key, dim=-1)
    mixed = (query @ key.transpose(-2, -1)).softmax(-1) @ value
    return layer.out(mixed.permute(0, 3, 1, 2).flatten(2))


def _local(layer: Any, x: Tensor) -> Tensor:
    return layer.layers(x.transpose(1, 2)).transpose(1, 2)


def _residual(layer: Any, x: Tensor) -> Tensor:
    return x + layer.scale * layer.layer(layer.norm(x))


def _stem(layer: Any, x: Tensor) -> Tensor:
    return layer.layers(x).transpose(1, 2)


PLAIN: dict[type[nn.Module], Callable[..., Tensor]] = {
    attention.CrossCovarianceAttention: _cross_covariance,
    attention.FeedForward: nn.Sequential.forward,
    attention.LocalPatchInteraction: _local,
    attention.Residual: _residual,
    patch.ConvStem: _stem,
}


def plainly(objective: nn.Module) -> nn.Module:
    """Return the same objective, whose layers of XCiT from now on compute plainly."""
    for module in objective.modules():
        if type(module) in PLAIN:
            module.forward = MethodType(PLAIN[type(module)], module)
    return objective


def steps(
    objective: nn.Module, batches: Callable[[int], DataLoader[Record]], schedule: Schedule, seed: int
) -> Iterator[tuple[float, float]]:
    """Train step by step with the draws that `groundwave.train.fit` would make; yield seconds and loss of each."""
    parameters = [p for p in objective.parameters() if p.requires_grad]
    groups = [{"params": [p for p in parameters if p.dim() > 1], "weight_decay": schedule.weight_decay}]
    groups.append({"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0})
    optimizer = torch.optim.AdamW(groups, lr=schedule.lr)
    factor = warm_cosine(schedule.epochs * len(batches(0)), schedule.warmup, schedule.decay)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    step = 0
    for epoch in range(schedule.epochs):
        begun = time.perf_counter()
        for record in batches(epoch):
            torch.manual_seed(stable_hash(seed, "layers", step))
            loss = objective(record, generator(seed, "step", step))["loss"]
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, schedule.clip)
            optimizer.step()
            scheduler.step()
            yield time.perf_counter() - begun, loss.item()
            step, begun = step + 1, time.perf_counter()
