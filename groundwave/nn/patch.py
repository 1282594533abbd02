"""From samples or cells to tokens and back: patches, stems, and position codes for any length."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
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


def whole_patches(x: Float[Tensor, "batch channels freq time"], patch: tuple[int, int]) -> Tensor:
    """Repeat the last row and column until the grid is cut into whole patches of `patch` cells."""
    rows, columns = (-size % cells for size, cells in zip(x.shape[-2:], patch, strict=True))
    return F.pad(x, (0, columns, 0, rows), mode="replicate") if rows or columns else x


def patchify(
    x: Float[Tensor, "batch channels freq time"], patch: tuple[int, int]
) -> Float[Tensor, "batch tokens cells"]:
    """Cut a grid of whole patches into them, row by row; a patch's cells are ordered by channel, frequency, time."""
    batch, channels, freq, time = x.shape
    height, width = patch
    cut = x.reshape(batch, channels, freq // height, height, time // width, width)
    return cut.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def unpatchify(
    tokens: Float[Tensor, "batch tokens cells"], patch: tuple[int, int], size: tuple[int, int], num_channels: int
) -> Float[Tensor, "batch channels freq time"]:
    """Undo `whole_patches` and `patchify`: lay patches side by side, and cut what reaches over `size` cells."""
    (height, width), (freq, time) = patch, size
    rows, columns = -(-freq // height), -(-time // width)
    cut = tokens.reshape(tokens.shape[0], rows, columns, num_channels, height, width)
    grid = cut.permute(0, 3, 1, 4, 2, 5).reshape(tokens.shape[0], num_channels, rows * height, columns * width)
    return grid[..., :freq, :time]


def grid_positions(grid: tuple[int, int], dim: int, device: torch.device) -> Float[Tensor, "tokens dim"]:
    """Return sine-cosine codes of a grid's cells, row by row: half of each codes the row, half the column (MAE)."""
    rows, columns = grid
    row = sinusoidal_positions(rows, dim // 2, device)[:, None].expand(-1, columns, -1)
    column = sinusoidal_positions(columns, dim - dim // 2, device)[None].expand(rows, -1, -1)
    return torch.cat([row, column], dim=-1).flatten(0, 1)


class PatchStem(nn.Module):
    """One linear map of each patch of a grid, and the code of where it lies (Dosovitskiy et al., 2021, eq. 1).

    A signal `[B, channels, time]` is a grid of one row: with a patch of (1, 16) the map is a convolution of 16 samples
    that moves by 16.

    Args:
        num_channels: input channels.
        dim: token width.
        patch: rows and columns of a patch, in cells.
    """

    def __init__(self, num_channels: int, dim: int, patch: Sequence[int]) -> None:
        super().__init__()
        self.num_channels, self.patch = num_channels, (patch[0], patch[1])
        self.project = nn.Linear(num_channels * self.patch[0] * self.patch[1], dim)
        nn.init.xavier_uniform_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def grid(self, x: Float[Tensor, "batch channels *size"]) -> tuple[int, int]:
        """Return how many rows and columns of patches `x` has."""
        freq, time = x.shape[-2:] if x.dim() == 4 else (1, x.shape[-1])
        return -(-freq // self.patch[0]), -(-time // self.patch[1])

    def forward(
        self, x: Float[Tensor, "batch channels *size"], kept: Int[Tensor, "batch kept"] | None = None
    ) -> Float[Tensor, "batch tokens dim"]:
        """Return the tokens of all patches, or of those with the numbers `kept`; the others are not computed."""
        patches = patchify(whole_patches(x if x.dim() == 4 else x.unsqueeze(2), self.patch), self.patch)
        positions = grid_positions(self.grid(x), self.project.out_features, x.device).expand(x.shape[0], -1, -1)
        if kept is not None:
            patches, positions = (part.take_along_dim(kept[..., None], dim=1) for part in (patches, positions))
        return self.project(patches) + positions  # type: ignore[no-any-return]
