"""From samples to tokens: convolutional stems and position codes for any length."""

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


def convolve(
    layer: nn.Module, x: Float[Tensor, "batch tokens dim"], scale: Float[Tensor, " wide"] | None = None
) -> Float[Tensor, "batch fewer wide"]:
    """Return `scale * layer(x)` of an `nn.Conv1d` for tokens that lie side by side in memory, channels last.

    PyTorch's two-dimensional convolution takes them as they lie and is several times faster than the one-dimensional.
    """
    assert isinstance(layer, nn.Conv1d)
    assert layer.bias is not None
    weight, bias = layer.weight, layer.bias
    if scale is not None:
        weight, bias = scale[:, None, None] * weight, scale * bias
    image, kernels = x.transpose(1, 2).unsqueeze(2), weight.unsqueeze(2)
    stride, padding = (1, layer.stride[0]), (0, int(layer.padding[0]))
    return F.conv2d(image, kernels, bias, stride, padding, 1, layer.groups).squeeze(2).transpose(1, 2)


def normalise_batch(norm: nn.Module, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
    """Return the batch norm of tokens, which is several times faster for rows of channels than for rows of time."""
    rows: Tensor = norm(x.flatten(0, 1))
    return rows.view_as(x)


class ConvStem(nn.Module):
    """Strided convolutions that turn every `patch` samples into one token.

    Each stage halves the time axis (kernel 5, as in LSM's down-sampler), normalises and applies SiLU; a final 1x1
    convolution mixes the channels.

    Args:
        num_channels: input channels.
        dim: token width.
        patch: samples per token, a power of two.
    """

    def __init__(self, num_channels: int, dim: int, patch: int) -> None:
        super().__init__()
        num_stages = int(math.log2(patch))
        assert 2**num_stages == patch, f"patch must be a power of two, not {patch}"
        widths = [num_channels, *(max(dim >> (num_stages - 1 - stage), 16) for stage in range(num_stages - 1)), dim]
        stages: list[nn.Module] = []
        for narrow, wide in pairwise(widths):
            stages += [nn.Conv1d(narrow, wide, 5, stride=2, padding=2), nn.BatchNorm1d(wide), nn.SiLU()]
        self.layers = nn.Sequential(*stages, nn.Conv1d(dim, dim, 1))

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return `ceil(time / patch)` tokens."""
        tokens = x.transpose(1, 2).contiguous()
        *stages, mix = self.layers
        for conv, norm, bend in zip(*[iter(stages)] * 3, strict=True):
            tokens = bend(normalise_batch(norm, convolve(conv, tokens)))
        return convolve(mix, tokens)


def sinusoidal_positions(num_tokens: int, dim: int, device: torch.device) -> Float[Tensor, "tokens dim"]:
    """Return the sine-cosine position code of Vaswani et al. (2017), section 3.5."""
    position = torch.arange(num_tokens, device=device, dtype=torch.float32)[:, None]
    rate = torch.exp(torch.arange(0, dim, 2, device=device, dtype=torch.float32) * (-math.log(10_000.0) / dim))
    code = torch.stack([torch.sin(position * rate), torch.cos(position * rate)], dim=-1)
    return code.flatten(1)[:, :dim]


class FourierPositions(nn.Module):
    """XCiT's position code: sines and cosines of a token's share of the whole length, mixed by a 1x1 convolution.

    XCiT codes rows and columns (El-Nouby et al., 2021, its released code). Tokens of a signal are the rows; the only
    column contributes 32 constants, which are kept because their weights are trained.

    Args:
        dim: token width.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.project = nn.Conv1d(64, dim, 1)

    def forward(self, num_tokens: int) -> Float[Tensor, "tokens dim"]:
        """Return the codes of so many tokens."""
        device = self.project.weight.device
        row = torch.arange(1, num_tokens + 1, device=device) * (2 * math.pi / num_tokens)
        angle = torch.stack([row, torch.full_like(row, 2 * math.pi)], dim=-1)[..., None]
        angle = angle * 10_000.0 ** (-torch.arange(0, 32, 2, device=device) / 32)
        code = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
        with torch.autocast(device.type, enabled=False):  # what the tokens are added to stays float32
            mixed: Tensor = self.project(code.T)
        return mixed.T
