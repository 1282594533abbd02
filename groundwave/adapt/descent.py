"""Gradient descent on a handful of records, where a whole training loop would be all overhead."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


def descend(
    parameters: Iterable[nn.Parameter],
    loss: Callable[[int], Tensor],
    *,
    steps: int,
    lr: float,
    weight_decay: float = 0.0,
) -> None:
    """Minimise `loss(step)` over `parameters` with AdamW and a cosine decay to zero."""
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        optimizer.zero_grad()
        loss(step).backward()
        optimizer.step()
        scheduler.step()
