"""Conv4: the trunk of few-shot learning."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from groundwave.nn.length import check_length

# Settings of RelationNet's embedding module (Sung et al., 2018); its batch norm remembers the last batch only.
RELATION_NET: Mapping[str, Any] = {
    "pooled": (True, True, False, False),
    "padded": (False, False, True, True),
    "momentum": 1.0,
}


class Conv4(nn.Module):
    """Four blocks of convolution, batch norm, ReLU and max-pooling by two (Snell et al., 2017, ProtoNet).

    Its kernels of 3x3 have become 3. Features are all tokens, flattened, as ProtoNet compares them; `tokens` takes any
    length that the pools leave something of.

    Args:
        num_channels: input channels.
        num_samples: length of a record, which fixes the number of features.
        width: filters of each convolution.
        pooled: which blocks end in a pool.
        padded: which convolutions keep the length.
        momentum: of batch norm's running statistics.
    """

    def __init__(
        self,
        num_channels: int = 2,
        num_samples: int = 128,
        width: int = 64,
        pooled: Sequence[bool] = (True, True, True, True),
        padded: Sequence[bool] = (True, True, True, True),
        momentum: float = 0.1,
    ) -> None:
        super().__init__()
        self.num_samples = num_samples
        num_tokens = num_samples
        self.layers = nn.Sequential()
        for pool, pad in zip(pooled, padded, strict=True):
            self.layers += nn.Sequential(
                nn.Conv1d(num_channels, width, 3, padding=int(pad)),
                nn.BatchNorm1d(width, momentum=momentum),
                nn.ReLU(),
                nn.MaxPool1d(2) if pool else nn.Identity(),
            )
            num_channels = width
            num_tokens = (num_tokens if pad else num_tokens - 2) // (2 if pool else 1)
        self.num_features = width * num_tokens

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return one token per 16 samples with four pools, rounded down."""
        tokens: Tensor = self.layers(x)
        return tokens.transpose(1, 2)

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return all tokens side by side; raises `ContractError` for another length."""
        check_length(x, self.num_samples, self.num_samples)
        return self.tokens(x).flatten(1)
