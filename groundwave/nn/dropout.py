"""Dropout at a third of the price."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Dropout(nn.Dropout):
    """Dropout (Srivastava et al., 2014) that draws one byte per element instead of a Bernoulli number.

    PyTorch's mask takes longer on a processor than the convolutions of the small networks that need it. `p`, which must
    be below 1, is rounded to 1/256. The bytes come from torch's global generator, as those of any layer do.
    """

    def forward(self, input: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Silence elements and scale up the others while training; return the input otherwise."""
        dropped = round(256 * self.p)
        if not self.training or not dropped:
            return input
        words = torch.empty(-(-input.numel() // 8), dtype=torch.int64, device=input.device).random_(-(2**63), None)
        keep = words.view(torch.uint8)[: input.numel()].view(input.shape) >= dropped
        return input * (keep.to(input.dtype) * (256 / (256 - dropped)))
