"""Multipath propagation: paths of a standard profile, each with its delay and its own fading within the record.

`draw_paths` draws, `propagate` applies. Delays are fractional: each path spreads over a tap grid at the sample rate by
a 16-tap Kaiser-windowed sinc, whose error is below -54 dB up to 0.35 cycles per sample (-37 dB at 0.4). Gains are drawn
at knots and joined by polynomials, whose mean-square error is below -58 dB.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Complex, Float
from torch import Generator, Tensor
from torch.nn.functional import pad

from groundwave.errors import GroundwaveError
from groundwave.signal.doppler import draw_scatter, nodes, num_sinusoids
from groundwave.signal.profiles import LOS_DOPPLER, Profile
from groundwave.signal.spectrum import fast_length

# Polynomials of degree 1, 2 and 3 in a period of the largest Doppler shift, for an error of -58 dB where the Doppler
# spectrum is Gaussian, less for the others. A record takes one, or several of degree 3 that share their end knots.
_CURVES_PER_CYCLE = {1: 56, 2: 12, 3: 6}
_HALF = 8  # half the length of the windowed sinc
_BETA = 5.5
_LONGEST = 20_000  # samples; a longer delay is a slip of units


@dataclass(frozen=True)
class Paths:
    """A draw of channels.

    Args:
        gains: of each path at knots: one where the channel stands still, two to four for a polynomial over the whole
            record, 3 n + 1 for n cubics in a row.
        delays: of each path in samples, for all records or for each.
        num_taps: length of the impulse response in samples, 1 for paths without delay.
        spacing: samples from knot to knot; the first falls on the first output sample.
    """

    gains: Complex[Tensor, "batch path knots"]
    delays: Float[Tensor, "#batch path"]
    num_taps: int
    spacing: int


def _checked(what: str, value: float | Tensor, below: float) -> Float[Tensor, " batch"]:
    """Return `value` as a vector of one number or one a record, or refuse it."""
    numbers = torch.as_tensor(value, dtype=torch.float32).reshape(-1)
    if not (numbers.numel() and bool(((numbers >= 0) & (numbers < below)).all())):
        raise GroundwaveError(f"{what} {value}", f"numbers from 0 up, below {below:g}", "correct them")
    return numbers


def _delays(
    profile: Profile, sample_rate_hz: float, delay_spread_s: float | Tensor | None
) -> tuple[Float[Tensor, "#batch path"], int]:
    """Return delays in samples and the number of taps that they take."""
    if not 0 < sample_rate_hz < math.inf:
        raise GroundwaveError(f"sample_rate_hz {sample_rate_hz}", "a positive number", "state the rate in Hz")
    if profile.normalised != (delay_spread_s is not None):
        rule = "an rms delay spread" if profile.normalised else "None, as its delays are in seconds"
        raise GroundwaveError(f"delay_spread_s={delay_spread_s} for {profile.name}", rule, "set it so")
    spread = _checked("delay_spread_s", 1.0 if delay_spread_s is None else delay_spread_s, math.inf)
    delays = spread[:, None] * sample_rate_hz * torch.tensor(profile.delays, device=spread.device)
    longest = float(delays.max())
    if longest > _LONGEST:
        raise GroundwaveError(
            f"a path {longest:.3g} samples late", f"at most {_LONGEST}", "check that delay_spread_s is in seconds"
        )
    return delays, math.ceil(longest) + 2 * _HALF - 1 if longest > 0 else 1


def margin(profile: Profile, *, sample_rate_hz: float, delay_spread_s: float | Tensor | None = None) -> int:
    """Return how many samples `propagate` takes in beyond those that it gives out."""
    return _delays(profile, sample_rate_hz, delay_spread_s)[1] - 1


def draw_paths(
    profile: Profile,
    num_records: int,
    num_samples: int,
    *,
    sample_rate_hz: float,
    delay_spread_s: float | Tensor | None = None,
    doppler_hz: float | Tensor = 0.0,
    spectrum: str = "jakes",
    generator: Generator,
) -> Paths:
    """Draw channels of unit mean power, E sum |h_p|^2 = 1, for `num_samples` outputs.

    Args:
        profile: delays, mean powers and Rician factor.
        num_records: how many channels to draw.
        num_samples: samples that will come out of `propagate`.
        sample_rate_hz: of the records.
        delay_spread_s: rms delay spread that scales a normalised profile, for all records or for each `[batch]`.
        doppler_hz: largest Doppler shift, for all records or for each `[batch]`; zero stands still.
        spectrum: Doppler spectrum of the scattered paths: "jakes", "flat" or "gaussian". The last has the standard
            deviation of Jakes', `doppler_hz` / sqrt(2), and reaches beyond `doppler_hz`. A line of sight is at 0.7.
        generator: source of randomness.

    Raises:
        GroundwaveError: for a rate, spread or Doppler that cannot be, or an unknown spectrum.
    """
    if num_records < 1 or num_samples < 1:
        raise GroundwaveError(f"{num_records} records of {num_samples} samples", "at least one of each", "ask for more")
    delays, num_taps = _delays(profile, sample_rate_hz, delay_spread_s)
    device = generator.device
    doppler = _checked("doppler_hz", doppler_hz, sample_rate_hz / 2).to(device) / sample_rate_hz
    if {len(delays), len(doppler)} - {1, num_records}:
        got = f"{len(delays)} delay spreads and {len(doppler)} Doppler shifts for {num_records} records"
        raise GroundwaveError(got, "one, or one a record", "match their number")
    cycles = num_samples * float(doppler.max())
    num_steps = _num_steps(cycles)
    spacing = math.ceil(num_samples / max(num_steps, 1))
    times = spacing * torch.arange(num_steps + 1.0, device=device)
    sinusoids = nodes(spectrum, num_sinusoids(cycles))
    gains = draw_scatter(num_records, len(profile.delays), times, doppler, sinusoids, generator=generator)
    if profile.rician_k_db is not None:
        gains = _with_line_of_sight(gains, 10 ** (profile.rician_k_db / 10), doppler[:, None] * times, generator)
    amplitudes = torch.tensor(profile.powers, device=device).sqrt()
    return Paths(gains * amplitudes[:, None], delays.to(device), num_taps, spacing)


def _num_steps(cycles: float) -> int:
    """Return how many steps from knot to knot follow so many periods of the largest Doppler shift."""
    if cycles == 0:
        return 0
    one = [degree for degree, rate in _CURVES_PER_CYCLE.items() if cycles * rate <= 1]
    return one[0] if one else 3 * math.ceil(cycles * _CURVES_PER_CYCLE[3])


def _with_line_of_sight(gains: Tensor, k: float, turns: Tensor, generator: Generator) -> Tensor:
    """Give the first path a steady ray `k` times as strong as its scattered part, without changing its power."""
    start = torch.rand((len(gains), 1), generator=generator, device=generator.device)
    turns = start + LOS_DOPPLER * turns
    ray = torch.polar(torch.full_like(turns, math.sqrt(k / (k + 1))), 2 * math.pi * turns)
    return torch.cat((gains[:, :1] / math.sqrt(k + 1) + ray[:, None], gains[:, 1:]), 1)


def delay_kernel(delays: Float[Tensor, "*batch path"], num_taps: int) -> Float[Tensor, "*batch path taps"]:
    """Return Kaiser-windowed sincs with unit gain at DC, centred on tap `delays` + 7."""
    offset = torch.arange(num_taps, device=delays.device) - (_HALF - 1) - delays[..., None]
    inside = (1 - (offset / _HALF) ** 2).clamp(min=1e-9)
    taps: Tensor = torch.sinc(offset) * torch.special.i0(_BETA * inside.sqrt()) * (offset.abs() < _HALF)
    return taps / taps.sum(-1, keepdim=True)


def tap_gains(paths: Paths) -> Complex[Tensor, "batch knots taps"]:
    """Return the impulse responses at the sample rate, one a knot."""
    if paths.num_taps == 1:
        return paths.gains.sum(1)[..., None]
    kernel = delay_kernel(paths.delays, paths.num_taps)
    gains = torch.view_as_real(paths.gains).movedim(1, -1).flatten(1, 2)  # real times complex, in one product
    taps = gains @ (kernel[0] if len(kernel) == 1 else kernel)
    return torch.view_as_complex(taps.unflatten(1, (-1, 2)).movedim(2, -1).contiguous())


@lru_cache(maxsize=64)
def _lagrange(degree: int, spacing: int, device: torch.device) -> Float[Tensor, "knots samples"]:
    """Return the weights of `degree` + 1 knots at the samples from the first up to the last."""
    at = torch.arange(degree * spacing, device=device) / spacing
    others = [[m for m in range(degree + 1) if m != knot] for knot in range(degree + 1)]
    factors = [torch.stack([(at - m) / (knot - m) for m in rest]) for knot, rest in enumerate(others)]
    return torch.stack([rest.prod(0) for rest in factors])


def _pieces(paths: Paths, num_samples: int) -> tuple[int, int, Complex[Tensor, "knots samples"]]:
    """Return the degree and length of the polynomials, and the weights of their knots at their samples."""
    gains = paths.gains
    degree = min(gains.shape[-1] - 1, 3)
    if degree == 0:
        return 0, num_samples, gains.new_ones(1, num_samples)
    return degree, degree * paths.spacing, _lagrange(degree, paths.spacing, gains.device).to(gains.dtype)


def path_gains(paths: Paths, num_samples: int) -> Complex[Tensor, "batch path {num_samples}"]:
    """Return the gain of each path at each output sample."""
    degree, _, weights = _pieces(paths, num_samples)
    curves = paths.gains.unfold(-1, degree + 1, max(degree, 1)) @ weights
    return curves.flatten(-2)[..., :num_samples]


def frequency_response(
    gains: Complex[Tensor, "batch path time"], delays: Float[Tensor, "#batch path"], frequency: Float[Tensor, " freq"]
) -> Complex[Tensor, "batch time freq"]:
    """Return H(t, f) = sum_p h_p(t) exp(-j 2 pi f delay_p): what a subcarrier or a cell is multiplied by.

    Delays in samples, frequencies in cycles per sample. True of OFDM where the cyclic prefix holds the delays, and of a
    spectrogram where its window is much longer than they are; in both where the channel stands still meanwhile.
    """
    turns = 2 * torch.pi * delays[:, :, None] * frequency
    return gains.transpose(1, 2) @ torch.polar(torch.ones_like(turns), -turns)


def propagate(x: Complex[Tensor, "batch time"], paths: Paths) -> Complex[Tensor, "batch valid"]:
    """Return the sum of the delayed, fading copies of `x`: y(t) = sum_p h_p(t) x(t - delay_p), valid part only.

    `x` holds `margin` samples more than come out: a path with no delay takes output n from input n + num_taps - 8
    (from input n where no path has a delay). Differentiable in `x`, gains and delays.

    Raises:
        GroundwaveError: where `x` is shorter than the margin, or longer than the draw was made for, or does not have a
            record a channel.
    """
    if x.ndim != 2 or len(x) != len(paths.gains):
        got = f"records of shape {list(x.shape)} for {len(paths.gains)} channels"
        raise GroundwaveError(got, "[records, time], a channel for each", "give antennas as records of their own")
    num_samples = x.shape[-1] - paths.num_taps + 1
    covered = paths.spacing * (paths.gains.shape[-1] - 1) or num_samples
    if not 1 <= num_samples <= covered:
        got = f"{x.shape[-1]} samples through paths that take {paths.num_taps - 1} of them"
        raise GroundwaveError(got, f"from 1 to {max(covered, 1)} more than that", "draw paths for as many as come out")
    if paths.num_taps == 1:
        return x * path_gains(paths, num_samples).sum(1)
    taps = tap_gains(paths)
    degree, length, weights = _pieces(paths, num_samples)
    num = math.ceil(num_samples / length)
    windows = pad(x, (0, num * length - num_samples)).unfold(-1, length + paths.num_taps - 1, length)
    size = fast_length(windows.shape[-1])
    spectrum = torch.fft.fft(windows, size)
    # Filtering with the responses at the knots and blending what they let through equals filtering with the blend.
    y: Tensor | None = None
    for knot, weight in enumerate(weights):
        product = torch.fft.fft(taps[:, knot :: max(degree, 1)][:, :num], size).mul_(spectrum)
        heard = torch.fft.ifft(product)[..., paths.num_taps - 1 : windows.shape[-1]]
        y = heard.mul_(weight) if y is None else y.addcmul_(heard, weight)
    assert y is not None
    return y.flatten(1)[:, :num_samples]
