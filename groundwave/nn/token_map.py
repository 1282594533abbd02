"""TokenMap: the tokens of a backbone as its features."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from groundwave.errors import lookup

NUM_SAMPLES = 256  # the width of a token does not depend on the length, where any is taken


def token_map(tokens: Float[Tensor, "batch tokens dim"], num_tokens: int) -> Float[Tensor, "batch {num_tokens} dim"]:
    """Return `num_tokens` means of neighbouring tokens; so many tokens are returned as they are."""
    return F.adaptive_avg_pool1d(tokens.transpose(1, 2), num_tokens).transpose(1, 2)


@torch.no_grad()
def token_width(backbone: nn.Module, num_channels: int) -> int:
    """Return the width of a backbone's tokens."""
    training = backbone.training
    length = getattr(backbone, "num_samples", None) or NUM_SAMPLES
    x = torch.zeros(1, num_channels, length, device=next(backbone.parameters(), torch.empty(0)).device)
    tokens: Tensor = backbone.eval().tokens(x)  # type: ignore[operator]
    backbone.train(training)
    return tokens.shape[-1]


class TokenMap(nn.Module):
    """The tokens of another backbone, averaged to a fixed number of them, side by side: features that keep the time.

    Args:
        num_channels: input channels.
        kind: name of that backbone in `BACKBONES`.
        args: its arguments.
        num_tokens: how many tokens are left, whatever the length of the input.
    """

    def __init__(
        self,
        num_channels: int = 2,
        kind: str = "conv4",
        args: Mapping[str, Any] | None = None,
        num_tokens: int = 16,
    ) -> None:
        from groundwave.nn import BACKBONES  # the table that this class is in

        super().__init__()
        made = lookup(BACKBONES, kind, "backbone")(**{"num_channels": num_channels, **(args or {})})
        self._wrap(made, num_channels, num_tokens)

    @classmethod
    def around(cls, backbone: nn.Module, num_channels: int, num_tokens: int) -> "TokenMap":
        """Return the map of a backbone that there is already."""
        found = cls.__new__(cls)
        nn.Module.__init__(found)
        found._wrap(backbone, num_channels, num_tokens)
        return found

    def _wrap(self, backbone: nn.Module, num_channels: int, num_tokens: int) -> None:
        self.backbone, self.num_tokens = backbone, num_tokens
        self.num_features = num_tokens * token_width(backbone, num_channels)

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return `num_tokens` tokens."""
        tokens: Tensor = self.backbone.tokens(x)  # type: ignore[operator]
        return token_map(tokens, self.num_tokens)

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return all tokens, one after another."""
        return self.tokens(x).flatten(1)
