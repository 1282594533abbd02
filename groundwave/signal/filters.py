"""Linear filters on batches: FIR, polyphase interpolation, arbitrary resampling, pre-emphasis."""

import math
from functools import cache

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn.functional import conv1d, interpolate, pad


_BLOCK_SAMPLES = 32


def _as_rows(x: Tensor) -> Tensor:
    """Flatten `[*batch, time]` to real rows `[rows, 1, time]`; a complex row becomes two."""
    rows = torch.view_as_real(x).movedim(-1, -2) if x.is_complex() else x
    return rows.reshape(-1, 1, x.shape[-1])


def _from_rows(rows: Tensor, like: Tensor) -> Tensor:
    """Undo `_as_rows` for rows of any length."""
    if not like.is_complex():
        return rows.reshape(*like.shape[:-1], rows.shape[-1])
    parts = rows.reshape(*like.shape[:-1], 2, rows.shape[-1])
    return torch.complex(parts[..., 0, :].contiguous(), parts[..., 1, :].contiguous())


def _correlate(rows: Tensor, taps: list[float], stride: int) -> Tensor:
    """Return sum_k taps[k] rows[n + k * stride]: for a few taps, many times faster than a convolution layer."""
    num = rows.shape[-1] - stride * (len(taps) - 1)
    y = rows[..., :num] * taps[0]
    for k, tap in enumerate(taps[1:], 1):
        if tap:
            y = y.add_(rows[..., k * stride : k * stride + num], alpha=tap)
    return y


def fir(x: Shaped[Tensor, "*batch time"], taps: Float[Tensor, " taps"]) -> Shaped[Tensor, "*batch valid"]:
    """Convolve with real taps and keep the samples that all taps reach (time - taps + 1 of them)."""
    weights = taps.flip(0).tolist()
    if not x.is_complex():
        return _correlate(x, weights, 1)
    y = _correlate(torch.view_as_real(x).flatten(-2), weights, 2)  # I and Q alternate: neighbours lie 2 apart
    return torch.view_as_complex(y.reshape(*y.shape[:-1], -1, 2))


def _polyphase_matrix(taps: Tensor, factor: int, num_symbols: int, width: int) -> Tensor:
    """Return the banded matrix from the inputs that `num_symbols` outputs need to their `factor` samples each.

    With `width` 2, I and Q alternate in rows and columns.
    """
    num_taps = math.ceil(len(taps) / factor)
    phases = pad(taps, (0, num_taps * factor - len(taps))).reshape(num_taps, factor).flip(0)
    columns = num_symbols * factor * width
    matrix = taps.new_zeros((num_symbols + num_taps - 1) * width, columns)
    for i in range(width):  # a step down the band is one symbol down and one symbol to the right
        shape, stride = (num_symbols, num_taps, factor), (width * (columns + factor), width * columns, width)
        matrix.as_strided(shape, stride, i * (columns + 1)).copy_(phases)
    return matrix


def upsample(
    x: Shaped[Tensor, "*batch symbols"], taps: Float[Tensor, " taps"], factor: int
) -> Shaped[Tensor, "*batch time"]:
    """Insert `factor` - 1 zeros after each sample and convolve with `taps`, by polyphase, valid part only.

    With K = ceil(taps / factor), returns (symbols - K + 1) * factor samples; the first is where the taps first
    cover K inputs.
    """
    num_taps, width = math.ceil(len(taps) / factor), 2 if x.is_complex() else 1
    count = x.shape[-1] - num_taps + 1
    # a product with a banded matrix, block by block: I and Q stay interleaved, and most of the band is full
    block = max(1, min(count, _BLOCK_SAMPLES // factor))
    num_blocks = math.ceil(count / block)
    matrix = _polyphase_matrix(taps.to(x.device), factor, block, width)
    rows = torch.view_as_real(x).flatten(-2) if x.is_complex() else x
    rows = pad(rows, (0, width * (num_blocks * block - count)))
    windows = rows.unfold(-1, len(matrix), width * block)
    y = (windows.reshape(-1, len(matrix)) @ matrix).reshape(*x.shape[:-1], -1)[..., : width * count * factor]
    return torch.view_as_complex(y.unflatten(-1, (-1, 2))) if x.is_complex() else y


@cache
def lowpass(num_taps: int, cutoff: float, beta: float = 8.0) -> Float[Tensor, " taps"]:
    """Return a Kaiser-windowed sinc with unit gain at DC; `cutoff` in cycles per sample."""
    t = torch.arange(num_taps, dtype=torch.float64) - (num_taps - 1) / 2
    h = torch.sinc(2 * cutoff * t) * torch.kaiser_window(num_taps, periodic=False, beta=beta, dtype=torch.float64)
    taps: Tensor = (h / h.sum()).float()
    return taps


@cache
def pre_emphasis_taps(tau_s: float, sample_rate_hz: float, num_taps: int = 40) -> Float[Tensor, " taps"]:
    """Return the impulse response of FM pre-emphasis with unit gain at DC.

    The bilinear transform of (1 + s tau) / (1 + s / w_h) with w_h at 0.925 of Nyquist, as in GNU Radio's `fm_preemph`;
    its pole at -0.79 has died out (-80 dB) after 40 taps.
    """
    low, high = math.tan(0.5 / (tau_s * sample_rate_hz)), math.tan(0.925 * math.pi / 2)
    zero, pole = (1 - low) / (1 + low), (1 - high) / (1 + high)
    gain = (1 - pole) / (1 - zero)
    powers = gain * pole ** torch.arange(num_taps, dtype=torch.float64)
    return (powers - zero * pad(powers[:-1], (1, 0))).float()


FARROW_TAPS = 8
_FARROW_ORDER = 5


@cache
def _farrow() -> Float[Tensor, "orders taps"]:
    """Fit polynomials in the fractional delay to a Kaiser-windowed sinc, one per tap (Farrow 1988)."""
    mu = torch.linspace(0, 1, 65, dtype=torch.float64)
    t = torch.arange(FARROW_TAPS, dtype=torch.float64) - (FARROW_TAPS // 2 - 1)
    offset = t[None, :] - mu[:, None]
    window = torch.special.i0(5.0 * (1 - (offset / (FARROW_TAPS / 2)) ** 2).clamp(min=0).sqrt())
    taps = torch.sinc(offset) * window
    taps = taps / taps.sum(1, keepdim=True)
    powers = mu[:, None] ** torch.arange(_FARROW_ORDER + 1, dtype=torch.float64)
    fit: Tensor = torch.linalg.lstsq(powers, taps).solution
    return fit.float()


def sample_at(
    x: Shaped[Tensor, "batch time"], positions: Float[Tensor, "batch points"]
) -> Shaped[Tensor, "batch points"]:
    """Read a band-limited signal at fractional sample positions (8-tap windowed sinc as a Farrow filter).

    Positions (float64 where records are long) must lie in [3, time - 5].
    """
    whole = positions.floor()
    mu, index = (positions - whole).to(x.real.dtype), whole.long() - (FARROW_TAPS // 2 - 1)
    orders = [fir(x, taps).gather(1, index) for taps in _farrow().flip(1)]
    y = orders[-1]
    for order in reversed(orders[:-1]):  # Horner's rule in mu
        y = torch.addcmul(order, y, mu)
    return y


def interpolate_knots(
    knots: Shaped[Tensor, "*batch knots"], num_samples: int
) -> Shaped[Tensor, "*batch {num_samples}"]:
    """Draw straight lines through knots: the first and last samples are the first and last knots."""
    return _from_rows(interpolate(_as_rows(knots), num_samples, mode="linear", align_corners=True), knots)
