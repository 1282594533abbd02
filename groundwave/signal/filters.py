"""Linear filters on batches: FIR, polyphase interpolation, arbitrary resampling, pre-emphasis."""

import math
from functools import cache, lru_cache

import torch
from jaxtyping import Complex, Float, Shaped
from torch import Tensor
from torch.nn.functional import interpolate, pad

_BLOCK_SAMPLES = 32
_FIR_BLOCK = 16
_FEW_KNOTS, _SHORT = 16, 1 << 16


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


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # a cached constant must serve training, too
def _matrices(
    filters: tuple[tuple[float, ...], ...], block: int, width: int, dtype: torch.dtype, device: torch.device
) -> list[Tensor]:
    return [_polyphase_matrix(torch.tensor(taps, dtype=dtype, device=device), 1, block, width) for taps in filters]


def fir_bank(
    x: Shaped[Tensor, "*batch time"], taps: Float[Tensor, "filters taps"]
) -> list[Shaped[Tensor, "*batch valid"]]:
    """Convolve with several filters of real taps and keep the samples that all taps reach (time - taps + 1 of them)."""
    width = 2 if x.is_complex() else 1
    count = x.shape[-1] - taps.shape[1] + 1
    block = max(1, min(count, max(_FIR_BLOCK, taps.shape[1])))
    matrices = _matrices(tuple(map(tuple, taps.tolist())), block, width, x.real.dtype, x.device)
    rows = torch.view_as_real(x).flatten(-2) if width == 2 else x
    windows = pad(rows, (0, width * (-count % block))).unfold(-1, len(matrices[0]), width * block)
    flat = windows.reshape(-1, len(matrices[0]))  # one copy for all filters
    out = [(flat @ matrix).reshape(*x.shape[:-1], -1)[..., : width * count] for matrix in matrices]
    return [torch.view_as_complex(y.unflatten(-1, (-1, 2))) for y in out] if width == 2 else out


def fir(x: Shaped[Tensor, "*batch time"], taps: Float[Tensor, " taps"]) -> Shaped[Tensor, "*batch valid"]:
    """Convolve with real taps and keep the samples that all taps reach (time - taps + 1 of them)."""
    return fir_bank(x, taps[None])[0]


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
    orders = [order.gather(1, index) for order in fir_bank(x, _farrow().flip(1))]
    y = orders[-1]
    for order in reversed(orders[:-1]):  # Horner's rule in mu
        y = torch.addcmul(order, y, mu)
    return y


@cache
@torch.inference_mode(False)
def _farrow_matrices(dtype: torch.dtype, device: torch.device) -> list[Tensor]:
    return [_polyphase_matrix(taps, 1, _FIR_BLOCK, 1).to(device, dtype) for taps in _farrow().flip(1)]


def sample_drifting(
    x: Complex[Tensor, "batch time"], offset: Float[Tensor, "batch points"]
) -> Complex[Tensor, "batch points"]:
    """Read x(t + offset(t)), t = 0, 1, ..., for an offset that drifts as a clock's: `sample_at`, many times faster.

    Offsets (float64 where records are long) may change by 1e-3 per point; t + offset(t) must lie in [3, time - 5].
    Blocks of 16 points share the whole part of the offset, that of their middle, so that each is a matrix product; the
    Farrow polynomials are then read up to 8e-3 outside [0, 1], where they still fit.
    """
    batch, num, block = len(x), offset.shape[1], _FIR_BLOCK
    offset = pad(offset, (0, -num % block), mode="replicate").unflatten(1, (-1, block))
    whole = offset[..., block // 2].floor()
    mu = (offset - whole[..., None]).to(x.real.dtype).reshape(batch, 1, -1)
    time = torch.arange(0, num, block, device=x.device)
    start = whole.long() + time - (FARROW_TAPS // 2 - 1)
    windows = torch.view_as_real(pad(x, (0, block))).transpose(1, 2).unfold(2, block + FARROW_TAPS - 1, 1)
    record, part = torch.arange(batch, device=x.device)[:, None, None], torch.arange(2, device=x.device)[:, None]
    windows = windows[record, part, start[:, None]]
    *lower, highest = _farrow_matrices(mu.dtype, x.device)
    y = (windows @ highest).flatten(2)
    for matrix in reversed(lower):  # Horner's rule in mu, one order at a time in the cache
        y = torch.addcmul((windows @ matrix).flatten(2), y, mu)
    return torch.complex(y[:, 0, :num], y[:, 1, :num])


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _hats(num_knots: int, num_samples: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the matrix from knots to samples; with `width` 2, I and Q alternate in rows and columns."""
    rows = torch.eye(num_knots, dtype=dtype, device=device)[:, None]
    hats = interpolate(rows, num_samples, mode="linear", align_corners=True)[:, 0]
    return torch.kron(hats, torch.eye(width, dtype=dtype, device=device))


def interpolate_knots(
    knots: Shaped[Tensor, "*batch knots"], num_samples: int
) -> Shaped[Tensor, "*batch {num_samples}"]:
    """Draw straight lines through knots: the first and last samples are the first and last knots."""
    num_knots, width = knots.shape[-1], 2 if knots.is_complex() else 1
    rows = torch.view_as_real(knots).flatten(-2) if width == 2 else knots
    if num_knots <= _FEW_KNOTS and num_knots * num_samples <= _SHORT:  # a small product is several times faster
        lines = rows @ _hats(num_knots, num_samples, width, rows.dtype, rows.device)
    else:
        parts = rows.reshape(-1, num_knots, width).transpose(1, 2)
        lines = interpolate(parts, num_samples, mode="linear", align_corners=True)
        lines = lines.transpose(1, 2).reshape(*knots.shape[:-1], -1)
    return torch.view_as_complex(lines.unflatten(-1, (-1, 2)).contiguous()) if width == 2 else lines
