"""From what a network sees to scores: a backbone with its head, or a head on what the backbone made once."""

from typing import Any

import torch
from torch import Generator, Tensor, nn

from groundwave.contracts import Record, Source, Task
from groundwave.nn.dense import Decoder
from groundwave.nn.future import FutureDecoder


class Headed(nn.Module):
    """A backbone and its head: inputs float32 `[B, channels, ...]` to scores `[B, classes, ...]`.

    A backbone of which nothing learns stays as it is when asked: without dropout, and without a graph.

    Args:
        backbone: with the weights that learn marked so.
        head: of the table `HEADS`.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        self.frozen = not any(p.requires_grad for p in backbone.parameters())

    def train(self, mode: bool = True) -> "Headed":
        """Go into training mode, but for a frozen backbone."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    def seen(self, x: Tensor) -> Tensor:
        """Return what the head looks at: tokens `[B, N, D]`, or features `[B, D]`."""
        backbone: Any = self.backbone
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            if not isinstance(self.head, Decoder):
                return backbone(x)  # type: ignore[no-any-return]
            tokens: Tensor = backbone.tokens(x)
            return self.head.recent(tokens, backbone.grid(x)) if isinstance(self.head, FutureDecoder) else tokens

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores."""
        return self.on_seen(x)(self.seen(x))  # type: ignore[no-any-return]

    def on_seen(self, x: Tensor) -> "OnSeen":
        """Return the head by itself, for what was seen of inputs of the size of `x`."""
        backbone: Any = self.backbone
        if not isinstance(self.head, Decoder):
            return OnSeen(self.head, None, None)
        freq, time = x.shape[-2:]
        return OnSeen(self.head, backbone.grid(x), (freq, time))


class OnSeen(nn.Module):
    """A head on what a frozen backbone saw, computed once.

    Args:
        head: of the table `HEADS`.
        grid: rows and columns of the tokens; None for features.
        size: cells in frequency and time.
    """

    def __init__(self, head: nn.Module, grid: tuple[int, int] | None, size: tuple[int, int] | None) -> None:
        super().__init__()
        self.head, self.grid, self.size = head, grid, size

    def forward(self, seen: Tensor) -> Tensor:
        """Return the scores."""
        return self.head(seen) if self.grid is None else self.head(seen, self.grid, self.size)  # type: ignore[no-any-return]


class Answering(nn.Module):
    """The objective of tuning: the task's loss of a network's scores.

    Args:
        network: from inputs to scores; what learns of it is learned.
        task: whose loss it is.
    """

    def __init__(self, network: nn.Module, task: Task) -> None:
        super().__init__()
        self.network, self.task = network, task

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the loss of a batch of `inputs` and `target`."""
        return {"loss": self.task.loss(self.network(record["inputs"].float()), record["target"].long())}

    @torch.no_grad()
    def scores(self, examples: Source, batch_size: int, narrow: bool) -> dict[str, float]:
        """Return the task's scores on all examples.

        Args:
            examples: of `inputs` and `target`.
            batch_size: examples at once.
            narrow: whether to multiply in bfloat16, as in training.
        """
        place = next(self.network.parameters()).device
        learning = self.training
        self.eval()
        total: dict[str, Tensor] = {}
        for rows in torch.arange(len(examples)).split(batch_size):
            record = examples[rows]
            with torch.autocast(place.type, torch.bfloat16, enabled=narrow):
                scores = self.network(record["inputs"].to(place).float())
            tally = self.task.tally(scores.float().softmax(dim=1), record["target"].to(place).long())
            total = {name: total[name] + value if total else value for name, value in tally.items()}
        self.train(learning)
        return self.task.scores(total)
