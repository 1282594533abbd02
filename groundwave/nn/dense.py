"""Decoders: from one token per patch to an answer for every cell of the grid."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from groundwave.errors import GroundwaveError
from groundwave.nn.patch import grid_positions, unpatchify, whole_patches
from groundwave.nn.vit import transformer_blocks


class Decoder(nn.Module):
    """What answers for every cell: `forward(tokens, grid, size) -> [B, outputs, freq, time]`, tokens row by row."""


class LinearDecoder(Decoder):
    """One linear map from a token to all cells of its patch: the probe of a frozen backbone.

    Args:
        num_features: token width.
        num_outputs: numbers per cell.
        patch: rows and columns of a patch, in cells.
    """

    views = 1  # of a token's width: how much the map looks at

    def __init__(self, num_features: int, num_outputs: int, patch: Sequence[int]) -> None:
        super().__init__()
        self.num_outputs, self.patch = num_outputs, (patch[0], patch[1])
        self.project = nn.Linear(self.views * num_features, num_outputs * self.patch[0] * self.patch[1])

    def looked_at(
        self, tokens: Float[Tensor, "batch tokens features"], grid: tuple[int, int]
    ) -> Float[Tensor, "batch tokens seen"]:
        """Return what the map takes for each token."""
        return tokens

    def forward(
        self, tokens: Float[Tensor, "batch tokens features"], grid: tuple[int, int], size: tuple[int, int]
    ) -> Float[Tensor, "batch outputs freq time"]:
        """Return the outputs of all cells of a grid of `size` cells, whose tokens come row by row."""
        assert tokens.shape[1] == grid[0] * grid[1], f"{tokens.shape[1]} tokens for a grid of {grid}"
        return unpatchify(self.project(self.looked_at(tokens, grid)), self.patch, size, self.num_outputs)


class ContextDecoder(LinearDecoder):
    """One linear map to all cells of a patch from its token, the four beside it, and the mean of all.

    Beyond the border of the grid a neighbour is zero. Being linear it can be solved instead of trained: see
    `groundwave.adapt.ridge`.

    Args:
        num_features: token width.
        num_outputs: numbers per cell.
        patch: rows and columns of a patch, in cells.
    """

    views = 6

    def looked_at(
        self, tokens: Float[Tensor, "batch tokens features"], grid: tuple[int, int]
    ) -> Float[Tensor, "batch tokens seen"]:
        """Return each token with its neighbours and the mean of all."""
        rows, columns = grid
        framed = F.pad(tokens.unflatten(1, grid), (0, 0, 1, 1, 1, 1))
        beside = [framed[:, r : r + rows, c : c + columns].flatten(1, 2) for r, c in ((0, 1), (2, 1), (1, 0), (1, 2))]
        return torch.cat([tokens, *beside, tokens.mean(dim=1, keepdim=True).expand_as(tokens)], dim=-1)


class LightDecoder(Decoder):
    """A few narrow transformer blocks, then one linear map per patch: the decoder of MAE (He et al., 2022).

    Args:
        num_features: token width.
        num_outputs: numbers per cell.
        patch: rows and columns of a patch, in cells.
        dim: width of the blocks.
        depth: how many there are.
        num_heads: attention heads.
    """

    def __init__(
        self,
        num_features: int,
        num_outputs: int,
        patch: Sequence[int],
        dim: int = 128,
        depth: int = 2,
        num_heads: int = 4,
    ) -> None:
        super().__init__()
        self.narrow = nn.Linear(num_features, dim)
        self.blocks = transformer_blocks(dim, depth, num_heads)
        self.norm = nn.LayerNorm(dim)
        self.cells = LinearDecoder(dim, num_outputs, patch)

    def forward(
        self, tokens: Float[Tensor, "batch tokens features"], grid: tuple[int, int], size: tuple[int, int]
    ) -> Float[Tensor, "batch outputs freq time"]:
        """Return the outputs of all cells of a grid of `size` cells, whose tokens come row by row."""
        narrow = self.narrow(tokens)
        narrow = narrow + grid_positions(grid, narrow.shape[-1], narrow.device)
        for block in self.blocks:
            narrow = block(narrow)
        return self.cells(self.norm(narrow), grid, size)  # type: ignore[no-any-return]


class ConvDecoder(Decoder):
    """Convolutions that double the grid of tokens until it has the size of the cells, so that borders are smooth.

    Args:
        num_features: token width.
        num_outputs: numbers per cell.
        patch: rows and columns of a patch, in cells: powers of two.
        dim: channels of the coarsest stage; each doubling halves them, down to 16.

    Raises:
        GroundwaveError: patches of other sizes.
    """

    def __init__(self, num_features: int, num_outputs: int, patch: Sequence[int], dim: int = 128) -> None:
        super().__init__()
        self.scales = _doublings(patch)
        widths = [max(16, dim >> stage) for stage in range(len(self.scales) + 1)]
        self.narrow = nn.Conv2d(num_features, dim, 1)
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(wide, narrow, 3, padding=1), nn.GroupNorm(4, narrow), nn.GELU())
            for wide, narrow in pairwise(widths)
        )
        self.cells = nn.Conv2d(widths[-1], num_outputs, 3, padding=1)

    def forward(
        self, tokens: Float[Tensor, "batch tokens features"], grid: tuple[int, int], size: tuple[int, int]
    ) -> Float[Tensor, "batch outputs freq time"]:
        """Return the outputs of all cells of a grid of `size` cells, whose tokens come row by row."""
        cells = self.narrow(tokens.transpose(1, 2).unflatten(2, grid))
        for stage, scale in zip(self.stages, self.scales, strict=True):
            cells = F.interpolate(stage(cells), scale_factor=scale, mode="nearest")
        return self.cells(cells)[..., : size[0], : size[1]]  # type: ignore[no-any-return]


class Conv3dDecoder(Decoder):
    """One convolution over time slices, frequencies and frames: the output layer of ConvLSTM (arXiv 2411.09849).

    Args:
        num_features: token width.
        num_outputs: numbers per cell.
        patch: (1, 1): there is a token for each cell.
        slice: frames of a time slice, those of the backbone.
        kernel: side of the kernel, odd.

    Raises:
        GroundwaveError: larger patches.
    """

    def __init__(
        self, num_features: int, num_outputs: int, patch: Sequence[int] = (1, 1), slice: int = 8, kernel: int = 3
    ) -> None:
        super().__init__()
        if tuple(patch) != (1, 1):
            raise _unfit("conv3d", patch, "a token for each cell, as convlstm has")
        self.slice = slice
        self.convolve = nn.Conv3d(num_features, num_outputs, kernel, padding=kernel // 2)

    def forward(
        self, tokens: Float[Tensor, "batch tokens features"], grid: tuple[int, int], size: tuple[int, int]
    ) -> Float[Tensor, "batch outputs freq time"]:
        """Return the outputs of all cells, whose tokens come row by row."""
        cells = whole_patches(tokens.transpose(1, 2).unflatten(2, grid), (1, self.slice))
        slices = cells.unflatten(-1, (-1, self.slice)).transpose(2, 3)  # [B, features, slice number, freq, frame]
        return self.convolve(slices).transpose(2, 3).flatten(3)[..., : size[1]]  # type: ignore[no-any-return]


def _doublings(patch: Sequence[int]) -> list[tuple[float, float]]:
    """Return the factors by which each stage enlarges rows and columns, together the patch."""
    height, width = (int(cells).bit_length() - 1 for cells in patch)
    if (2**height, 2**width) != tuple(patch):
        raise _unfit("conv", patch, "powers of two, as each stage doubles the grid")
    return [(2.0 if stage < height else 1.0, 2.0 if stage < width else 1.0) for stage in range(max(height, width))]


def _unfit(decoder: str, patch: Sequence[int], expected: str) -> GroundwaveError:
    return GroundwaveError(
        got=f"decoder {decoder} for patches of {' by '.join(map(str, patch))} cells",
        expected=expected,
        do="choose the decoder context, light or linear, or a backbone of such patches",
    )


DECODERS: dict[str, Callable[..., nn.Module]] = {
    "context": ContextDecoder,
    "conv": ConvDecoder,
    "conv3d": Conv3dDecoder,
    "light": LightDecoder,
    "linear": LinearDecoder,
}
