"""RelationHead: RelationNet's learned comparison, and the classes that it compares with."""

from copy import deepcopy
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from groundwave.errors import GroundwaveError


class RelationHead(nn.Module):
    """How much a feature map is like the map of each class (Sung et al., 2018), convolutions along time.

    Two blocks of convolution, batch norm, ReLU and pooling by two see both maps side by side; two dense layers end in
    one number. At prediction batch norms use their running statistics; the source's use the batch's.

    Args:
        dim: width of a token.
        num_tokens: tokens of a feature map, at least 4; features are all tokens, one after another.
        num_classes: classes it remembers.
        num_shots: a class's map is the sum over so many support records, as in training; of another number of records
            it is that many times their mean.
        hidden: width between the dense layers; 8 as published.
        width: filters; 64 as published.
    """

    class_maps: Tensor

    def __init__(
        self, dim: int, num_tokens: int, num_classes: int, num_shots: int = 1, hidden: int = 8, width: int = 64
    ) -> None:
        super().__init__()
        if num_tokens < 4:
            raise GroundwaveError(
                f"maps of {num_tokens} tokens", "at least 4, to pool by two twice", "raise num_tokens"
            )
        self.dim, self.num_tokens, self.num_shots, self.hidden, self.width = dim, num_tokens, num_shots, hidden, width
        self.compare = nn.Sequential(
            *_block(2 * dim, width), *_block(width, width), nn.Flatten(), nn.Linear(width * (num_tokens // 4), hidden),
            nn.ReLU(), nn.Linear(hidden, 1),
        )  # fmt: skip
        self.register_buffer("class_maps", torch.zeros(num_classes, num_tokens, dim))

    def relate(
        self, query: Float[Tensor, "queries tokens dim"], classes: Float[Tensor, "classes tokens dim"]
    ) -> Float[Tensor, "queries classes"]:
        """Return the relation of each query to each class as a logit; its sigmoid is the published score."""
        num_classes = classes.shape[0]
        class_side = classes[None].expand(query.shape[0], -1, -1, -1)
        query_side = query[:, None].expand(-1, num_classes, -1, -1)
        pairs = torch.cat([class_side, query_side], dim=-1).flatten(0, 1).transpose(1, 2)
        return self.compare(pairs).reshape(-1, num_classes)  # type: ignore[no-any-return]

    def forward(self, features: Float[Tensor, "batch features"]) -> Float[Tensor, "batch classes"]:
        """Return the logarithm of each relation: their softmax is the relations' shares of their sum."""
        return F.logsigmoid(self.relate(features.unflatten(1, (self.num_tokens, self.dim)), self.class_maps))

    def remembering(self, features: Float[Tensor, "batch features"], label: Int[Tensor, " batch"]) -> "RelationHead":
        """Return a copy that remembers the classes of these records; `label` counts from 0 without a gap."""
        maps = features.unflatten(1, (self.num_tokens, self.dim))
        means = torch.stack([maps[label == c].mean(dim=0) for c in range(int(label.max()) + 1)])
        copy = deepcopy(self).eval()
        copy.class_maps = self.num_shots * means
        return copy

    def args(self) -> dict[str, Any]:
        """Return the arguments that rebuild it."""
        names = ("dim", "num_tokens", "num_shots", "hidden", "width")
        return {"num_classes": len(self.class_maps), **{name: getattr(self, name) for name in names}}


def _block(narrow: int, wide: int) -> tuple[nn.Module, ...]:
    return nn.Conv1d(narrow, wide, 3, padding=1), nn.BatchNorm1d(wide), nn.ReLU(), nn.MaxPool1d(2)
