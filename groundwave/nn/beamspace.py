"""Beamspace: what an array hears from every direction, as a picture on which a network finds sources."""

import math
from collections.abc import Sequence
from contextlib import nullcontext

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from groundwave.errors import GroundwaveError
from groundwave.nn.complex import num_signals

_INVERSION_STEPS = 14  # enough for a condition number of some 1000
_LOADING = 0.02  # of the mean power at an element
_STEPS = 4  # numbers that a token tells of the nearest peaks: of the two spectra, along rows and columns
_PLACE = 4  # and of its place: cosines and sines of its two phases
_FOCUS = 3.0  # how much more a cell counts for the features that Capon hears louder; a power


class Beamspace(nn.Module):
    """Convolutions over the beam spectra of a calibrated covariance (ours).

    What a uniform planar array hears of a source has the same shape around it wherever it is, when directions are
    counted as phases from element to element: so a convolution over that plane, whose edges meet, learns from a source
    anywhere what holds everywhere. It is shown the spectra of beamscan and of Capon's beamformer
    (1 / a^H R^-1 a; Capon, 1969), both of R = C X X^H C^H with a matrix C that is learned and starts as the identity:
    it undoes what errors of the elements and mutual coupling do. With a spectrum go its Newton steps, from each cell to
    the nearest peak: the estimate of an expert, which the network mends.

    Tokens are cells, row by row, of the phases -1/2 to 1/2 turn from row to row, and from column to column. The last
    numbers of a token are its place, and the Newton steps in cells. Features are the mean of the tokens, in which loud
    cells count more.

    Args:
        num_channels: I and Q of each element in turns (an odd number: real signals).
        size: rows and columns of the array; one row by default.
        spacing: of its elements in wavelengths.
        cells: of the plane along a side that has several elements.
        dim: width of the convolutions.
        depth: how many there are.
    """

    lag_of: Tensor
    waves: Tensor
    place: Tensor

    def __init__(
        self,
        num_channels: int = 32,
        size: Sequence[int] | None = None,
        spacing: float = 0.5,
        cells: int = 16,
        dim: int = 16,
        depth: int = 2,
    ) -> None:
        super().__init__()
        num = num_signals(num_channels)
        rows, columns = size or (1, num)
        if rows * columns != num:
            got = f"{rows} x {columns} elements for {num} signals"
            raise GroundwaveError(got, "one signal for each element", "correct the size of the array")
        self.spacing, self.sides = spacing, (cells if rows > 1 else 1, cells if columns > 1 else 1)
        self.num_features = dim + _PLACE + _STEPS
        self.calibration = nn.Parameter(torch.view_as_real(torch.eye(num, dtype=torch.complex64)))
        self.register_buffer("lag_of", _lags(rows, columns), persistent=False)
        self.register_buffer("waves", _waves(rows, columns, self.sides), persistent=False)
        self.register_buffer("place", _place(self.sides), persistent=False)
        self.stem = nn.Conv2d(2 + _STEPS, dim, 1)
        self.convs = nn.ModuleList(nn.Conv2d(dim, dim, 3) for _ in range(depth))
        self.norms = nn.ModuleList(nn.GroupNorm(1, dim) for _ in range(depth))

    def grid(self, x: Tensor) -> tuple[int, int]:
        """Return rows and columns of the cells, whatever the input."""
        return self.sides

    def covariance(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch 2 antenna antenna"]:
        """Return the calibrated covariance of unit mean power, its real and its imaginary part."""
        signals = x.float().unflatten(1, (-1, 2)) if x.shape[1] % 2 == 0 else torch.stack([x, 0 * x], 2).float()
        real, imaginary = signals.unbind(2)
        by_real, by_imaginary = self.calibration.unbind(-1)
        one, other = by_real @ real - by_imaginary @ imaginary, by_real @ imaginary + by_imaginary @ real
        power = (one.square() + other.square()).sum(2).mean(1)
        turned = other @ one.mT
        parts = torch.stack([one @ one.mT + other @ other.mT, turned - turned.mT], 1)
        return parts / power.clamp_min(1e-30)[:, None, None, None]

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return a token for each cell."""
        return self._seen(x)[0]

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return the weighted mean of the tokens."""
        tokens, level = self._seen(x)
        share = (_FOCUS * level).softmax(-1)
        return (share[:, None] @ tokens).squeeze(1)

    def _seen(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tokens, and the logarithm of Capon's spectrum at them `[B, token]`."""
        exact = nullcontext() if torch.compiler.is_compiling() else torch.autocast(x.device.type, enabled=False)
        with exact:
            matrix = self.covariance(x)
            heard, rest = self._spectra(matrix), self._spectra(loaded_inverse(matrix, _LOADING))
            num = matrix.shape[-1]
            levels = [(heard[:, 0] / num).clamp_min(1e-6).log(), -(rest[:, 0] * num).clamp_min(1e-6).log()]
            steps = torch.cat([self._newton(-heard), self._newton(rest)], 1)
        seen = self.stem(torch.cat([torch.stack(levels, 1), steps], 1))
        for conv, norm in zip(self.convs, self.norms, strict=True):
            seen = seen + conv(F.pad(F.gelu(norm(seen)), (1, 1, 1, 1), mode="circular"))
        place = self.place.expand(x.shape[0], *[-1] * 3)
        return torch.cat([seen, place, steps], 1).flatten(2).transpose(1, 2), levels[1].flatten(1)

    def _spectra(self, matrix: Tensor) -> Tensor:
        """Return a^H R a / N over all cells, its slopes and its curvatures, `[B, 6, rows, columns]`.

        In an array of equal distances it is a Fourier series: entries of the same lag belong together.
        """
        lags = matrix.flatten(2) @ self.lag_of  # [B, 2, lag]
        spectra: Tensor = (lags.flatten(1) @ self.waves).unflatten(1, (6, *self.sides))
        return spectra

    def _newton(self, spectra: Tensor) -> Tensor:
        """Return the steps in cells `[B, 2, rows, columns]` to the lowest point nearby, none where there is no dip."""
        _, down, across, down2, across2, both = spectra.unbind(1)
        determinant = down2 * across2 - both.square()
        scale = down2.square() + across2.square() + 1e-12
        dip = (determinant > 1e-3 * scale) & (down2 > 0)
        safe = torch.where(dip, determinant, scale)
        one = (both * across - across2 * down) / safe
        other = (both * down - down2 * across) / safe
        if 1 in self.sides:  # a row or a column of elements: nothing changes along the other side
            column = self.sides[1] == 1
            slope, curvature = (down, down2) if column else (across, across2)
            usual = curvature.abs().mean((1, 2), keepdim=True)
            alone = torch.where(curvature > 1e-3 * usual, -slope / curvature.clamp_min(1e-6), 0)
            none = torch.zeros_like(alone)
            return torch.stack([alone, none] if column else [none, alone], 1).clamp(-1, 1)
        return (torch.stack([one, other], 1) * dip[:, None]).clamp(-1, 1)


def loaded_inverse(
    matrix: Float[Tensor, "batch 2 antenna antenna"], loading: float, steps: int = _INVERSION_STEPS
) -> Float[Tensor, "batch 2 antenna antenna"]:
    """Return (R + loading 1)^-1 by the iteration of Newton and Schulz: products only, which every exporter knows.

    Real and imaginary parts stand in a real matrix twice as large. Only the last step is differentiated: at the inverse
    X its gradient, -X dR X, is that of the inverse.
    """
    num = matrix.shape[-1]
    real, imaginary = matrix.unbind(1)
    eye = torch.eye(2 * num, dtype=matrix.dtype, device=matrix.device)
    rows = torch.cat([real, -imaginary], 2), torch.cat([imaginary, real], 2)
    full = torch.cat(rows, 1) + loading * eye
    fixed = full.detach()
    inverse = eye / (fixed * eye).sum((1, 2), keepdim=True) * 2  # half the trace: no eigenvalue is above it
    for _ in range(steps - 1):
        inverse = 2 * inverse - inverse @ fixed @ inverse
    inverse = 2 * inverse - inverse @ full @ inverse
    return torch.stack([inverse[:, :num, :num], inverse[:, num:, :num]], 1)


def _lags(rows: int, columns: int) -> Tensor:
    """Return a one for each pair of elements and its lag `[pair, lag]`, pairs and lags row by row."""
    place = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).reshape(-1, 2)
    apart = place[:, None] - place + torch.tensor([rows - 1, columns - 1])
    lag = apart[..., 0] * (2 * columns - 1) + apart[..., 1]
    return F.one_hot(lag.flatten(), (2 * rows - 1) * (2 * columns - 1)).float()


def _waves(rows: int, columns: int, sides: tuple[int, int]) -> Tensor:
    """Return what the lags' real and imaginary parts add to each cell: to the value, slopes and curvatures per cell.

    `[2 * lag, 6 * cell]`: value, slope along rows and along columns, both curvatures, and the mixed one.
    """
    lag = torch.cartesian_prod(torch.arange(1 - rows, rows), torch.arange(1 - columns, columns)).reshape(-1, 2)
    turn = torch.cartesian_prod(*(cell_turns(side) for side in sides)).reshape(-1, 2)
    phase = 2 * math.pi * lag.double() @ turn.double().T
    per_cell = 2 * math.pi * lag.double() / torch.tensor(sides)
    down, across = per_cell[:, :1], per_cell[:, 1:]
    # Re sum_l r_l exp(-j l psi): the value, and its derivatives by the cell.
    value = torch.stack([phase.cos(), phase.sin()])
    slope = torch.stack([-phase.sin(), phase.cos()])
    parts = [value, down * slope, across * slope, -down.square() * value, -across.square() * value]
    parts.append(-down * across * value)
    return (torch.stack(parts, 2) / (rows * columns)).flatten(0, 1).flatten(1).float()


def _place(sides: tuple[int, int]) -> Tensor:
    """Return cosine and sine of the cells' phases, `[4, rows, columns]`."""
    turns = torch.meshgrid(*(2 * math.pi * cell_turns(side) for side in sides), indexing="ij")
    return torch.stack([part for turn in turns for part in (turn.cos(), turn.sin())])


def cell_turns(side: int) -> Float[Tensor, " side"]:
    """Return the phases of the cells along a side, in turns from element to element, 0 in the middle."""
    return (torch.arange(side) - side // 2) / side
