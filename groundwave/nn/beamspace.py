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
_WALK = 2  # Newton steps from a cell
_STEPS = 4  # numbers that a token tells of the nearest peaks: of the two spectra, along rows and columns
_PLACE = 4  # and of its place: cosines and sines of its two phases
_FOCUS = 3.0  # how much more a cell counts for the features that Capon hears louder; a power


class Beamspace(nn.Module):
    """Convolutions over the beam spectra of a covariance (ours).

    What a uniform planar array hears of a source has the same shape around it wherever it is, when directions are
    counted as phases from element to element: so a convolution over that plane, whose edges meet, learns from a source
    anywhere what holds everywhere. It is shown two spectra of the covariance R: beamscan's, v^H R v / |v|^2, and that
    of Capon's beamformer, |v|^2 / v^H R^-1 v (Capon, 1969). There v = C a is what the array hears from a direction, by
    the steering vector a and the array's response C, which tells of errors of the elements and of mutual coupling: it
    starts as the identity, and is measured (see `Directions`) or learned. With a spectrum go its Newton steps, from
    each cell to the nearest peak: the estimate of an expert, which the network mends.

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
    middle: Tensor
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
        self.size, self.spacing = (rows, columns), spacing
        self.sides = (cells if rows > 1 else 1, cells if columns > 1 else 1)
        self.num_features = dim + _PLACE + _STEPS
        self.response = nn.Parameter(torch.stack([torch.eye(num), torch.zeros(num, num)]))  # C, as two real parts
        self.register_buffer("lag_of", _lags(rows, columns), persistent=False)
        self.register_buffer("middle", torch.stack(_grid([_middles(side) for side in self.sides])), persistent=False)
        self.register_buffer("place", _place(self.sides), persistent=False)
        self.stem = nn.Conv2d(2 + _STEPS, dim, 1)
        self.convs = nn.ModuleList(nn.Conv2d(dim, dim, 3) for _ in range(depth))
        self.norms = nn.ModuleList(nn.GroupNorm(1, dim) for _ in range(depth))

    def grid(self, x: Tensor) -> tuple[int, int]:
        """Return rows and columns of the cells, whatever the input."""
        return self.sides

    def covariance(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch 2 antenna antenna"]:
        """Return the covariance of unit mean power, its real and its imaginary part."""
        signals = x.float().unflatten(1, (-1, 2)) if x.shape[1] % 2 == 0 else torch.stack([x, 0 * x], 2).float()
        real, imaginary = signals.unbind(2)
        power = (real.square() + imaginary.square()).sum(2).mean(1)
        turned = imaginary @ real.mT
        parts = torch.stack([real @ real.mT + imaginary @ imaginary.mT, turned - turned.mT], 1)
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
            num = matrix.shape[-1]
            noise, heard, rest = map(self._by_lag, (None, matrix, loaded_inverse(matrix, _LOADING)))
            loud, quiet = self._ratio(heard, noise), self._ratio(rest, noise)
            levels = [(loud[:, 0] / num).clamp_min(1e-6).log(), -(quiet[:, 0] * num).clamp_min(1e-6).log()]
            steps = torch.cat([self._walk(-heard, noise, -loud), self._walk(rest, noise, quiet)], 1)
        seen = self.stem(torch.cat([torch.stack(levels, 1), steps], 1))
        for conv, norm in zip(self.convs, self.norms, strict=True):
            seen = seen + conv(F.pad(F.gelu(norm(seen)), (1, 1, 1, 1), mode="circular"))
        place = self.place.expand(x.shape[0], *[-1] * 3)
        return torch.cat([seen, place, steps], 1).flatten(2).transpose(1, 2), levels[1].flatten(1)

    def _by_lag(self, matrix: Tensor | None) -> Tensor:
        """Return the sums of entries of C^H R C of the same lag `[B, 2, lag]`; without R, of C^H C.

        In an array of equal distances they belong together: a^H C^H R C a is a Fourier series of them.
        """
        response = blocks(self.response)
        inner = response if matrix is None else blocks(matrix) @ response
        by_lag: Tensor = parts(response.mT @ inner).view(-1, 2, response.numel() // 4) @ self.lag_of
        return by_lag

    def _spectra(self, lags: Tensor, way: Tensor | None = None) -> Tensor:
        """Return a^H R a / N in all cells, or that `way` in cells from them, its slopes per cell and its curvatures.

        `[B, 6, rows, columns]`: value, slope along rows and along columns, both curvatures, and the mixed one.
        """
        rows, columns = self.size
        real, imaginary = lags.unflatten(2, (2 * rows - 1, 2 * columns - 1)).mT.unbind(1)  # [B, lag across, lag down]
        place = self.middle.flatten(1) + (0 if way is None else way.flatten(2))
        down, across = (
            2 * math.pi / side * torch.arange(1 - count, count, dtype=place.dtype, device=place.device)
            for count, side in zip(self.size, self.sides, strict=True)
        )
        turns = [place[..., axis, :, None] * lag for axis, lag in enumerate((down, across))]
        (cos_down, sin_down), (cos_across, sin_across) = ((turn.cos(), turn.sin()) for turn in turns)

        def over_columns(power: int) -> tuple[Tensor, Tensor]:
            one, other = (part * across[:, None] ** power for part in (real, imaginary))
            return cos_across @ one + sin_across @ other, cos_across @ other - sin_across @ one

        def over_rows(part: tuple[Tensor, Tensor], power: int) -> tuple[Tensor, Tensor]:
            one, other = part
            weight = down**power
            return (
                ((one * cos_down + other * sin_down) * weight).sum(-1),
                ((other * cos_down - one * sin_down) * weight).sum(-1),
            )

        # The real part of sum_l r_l exp(-j l psi); each derivative by psi brings a factor -j l.
        flat, sloped, curved = map(over_columns, range(3))
        found = [
            over_rows(flat, 0)[0],
            over_rows(flat, 1)[1],
            over_rows(sloped, 0)[1],
            -over_rows(flat, 2)[0],
            -over_rows(curved, 0)[0],
            -over_rows(sloped, 1)[0],
        ]
        spectra: Tensor = torch.stack(found, 1).unflatten(2, self.sides) / (rows * columns)
        return spectra

    def _ratio(self, lags: Tensor, noise: Tensor, way: Tensor | None = None) -> Tensor:
        """Return what `_spectra` does, of a spectrum over that of the response alone."""
        value, down, across, down2, across2, both = self._spectra(lags, way).unbind(1)
        below, by_down, by_across, by_down2, by_across2, by_both = self._spectra(noise, way).unbind(1)
        ratio = value / below
        slope, slope2 = (down - ratio * by_down) / below, (across - ratio * by_across) / below
        found = [
            ratio,
            slope,
            slope2,
            (down2 - 2 * slope * by_down - ratio * by_down2) / below,
            (across2 - 2 * slope2 * by_across - ratio * by_across2) / below,
            (both - slope * by_across - slope2 * by_down - ratio * by_both) / below,
        ]
        return torch.stack(found, 1)

    def _walk(self, lags: Tensor, noise: Tensor, ratio: Tensor) -> Tensor:
        """Return the way in cells `[B, 2, rows, columns]` to the lowest point nearby, in Newton steps."""
        way = self._newton(ratio)
        for _ in range(_WALK - 1):
            way = (way + self._newton(self._ratio(lags, noise, way))).clamp(-1, 1)
        return way

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

    Only the last step is differentiated: at the inverse
    X its gradient, -X dR X, is that of the inverse.
    """
    eye = torch.eye(2 * matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    full = blocks(matrix) + loading * eye
    fixed = full.detach()
    inverse = eye / (fixed * eye).sum((1, 2), keepdim=True) * 2  # half the trace: no eigenvalue is above it
    for _ in range(steps - 1):
        inverse = 2 * inverse - inverse @ fixed @ inverse
    inverse = 2 * inverse - inverse @ full @ inverse
    return parts(inverse)


def blocks(matrix: Float[Tensor, "*batch 2 antenna antenna"]) -> Float[Tensor, "*batch twice twice"]:
    """Return complex matrices, given as real and imaginary parts, as real ones twice as large, which multiply alike."""
    real, imaginary = matrix.unbind(-3)
    return torch.cat([torch.cat([real, -imaginary], -1), torch.cat([imaginary, real], -1)], -2)


def parts(block: Float[Tensor, "*batch twice twice"]) -> Float[Tensor, "*batch 2 antenna antenna"]:
    """Return the real and the imaginary parts of what `blocks` gave."""
    num = block.shape[-1] // 2
    return torch.stack([block[..., :num, :num], block[..., num:, :num]], -3)


def _lags(rows: int, columns: int) -> Tensor:
    """Return a one for each pair of elements and its lag `[pair, lag]`, pairs and lags row by row."""
    place = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).reshape(-1, 2)
    apart = place[:, None] - place + torch.tensor([rows - 1, columns - 1])
    lag = apart[..., 0] * (2 * columns - 1) + apart[..., 1]
    return F.one_hot(lag.flatten(), (2 * rows - 1) * (2 * columns - 1)).float()


def _place(sides: tuple[int, int]) -> Tensor:
    """Return cosine and sine of the cells' phases, `[4, rows, columns]`."""
    turns = _grid([2 * math.pi * cell_turns(side) for side in sides])
    return torch.stack([part for turn in turns for part in (turn.cos(), turn.sin())])


def _grid(axes: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return torch.meshgrid(*axes, indexing="ij")


def _middles(side: int) -> Tensor:
    """Return the places of cells along a side, in cells, 0 in the middle."""
    return torch.arange(side, dtype=torch.float32) - side // 2


def cell_turns(side: int) -> Float[Tensor, " side"]:
    """Return the phases of the cells along a side, in turns from element to element, 0 in the middle."""
    return _middles(side) / side
