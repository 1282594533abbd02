"""Speech-like audio from a source-filter model: pitch, formants, syllables, fricative noise; never long silence."""

import math
from functools import cache

import torch
from jaxtyping import Complex
from torch import Generator, Tensor

from groundwave.signal.chirp import turn
from groundwave.signal.filters import interpolate_knots, lowpass, upsample

_AUDIO_RATE_HZ = 12.5e3
_NUM_HARMONICS = 32
_KNOT_S = 0.01
_SYLLABLE_S = 0.18
_TAPS_PER_PHASE = 12
_FORMANTS_HZ = torch.tensor([[300.0, 800.0], [900.0, 2300.0], [2400.0, 3200.0]])
_FORMANT_WIDTH_HZ = torch.tensor([90.0, 130.0, 200.0])
_FORMANT_GAIN = torch.tensor([1.0, 0.5, 0.25])
_QUIETEST = 0.3
_CENTRE = 0.24  # of the audio's one-sided band, in cycles per audio sample


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, device=generator.device)


def _formant_tracks(num_records: int, num_knots: int, generator: Generator) -> Tensor:
    """Draw formant frequencies in Hz `[records, knots, 3]`: straight lines between one random vowel per syllable."""
    num_vowels = max(2, math.ceil(num_knots * _KNOT_S / _SYLLABLE_S) + 1)
    low, high = _FORMANTS_HZ.to(generator.device).unbind(1)
    uniform = torch.rand((num_records, num_vowels, 3), generator=generator, device=generator.device)
    return interpolate_knots((low + (high - low) * uniform).transpose(1, 2), num_knots).transpose(1, 2)


def _harmonic_amplitudes(pitch_hz: Tensor, formants_hz: Tensor) -> Tensor:
    """Return amplitudes `[records, harmonics, knots]`: a glottal slope times three resonances, unit power per knot."""
    f = pitch_hz[:, None, :] * torch.arange(1, _NUM_HARMONICS + 1, device=pitch_hz.device)[:, None]
    offset = (f[..., None] - formants_hz[:, None]) / _FORMANT_WIDTH_HZ.to(f)
    amplitude = (_FORMANT_GAIN.to(f) / (1 + offset.square())).sum(-1) + 0.02
    amplitude = amplitude * (f < 0.45 * _AUDIO_RATE_HZ) / f.sqrt()
    return amplitude / (0.5 * amplitude.square().sum(1, keepdim=True)).sqrt()


@cache
def _segments(num_samples: int, num_knots: int) -> tuple[Tensor, Tensor, Tensor]:
    """Cut time where knots lie, every segment padded to the longest.

    Returns the sample index and the fraction of the way to the next knot, both `[segments, longest]`, and where in
    that flattened grid each sample is.
    """
    position = torch.arange(num_samples, dtype=torch.float64) * (num_knots - 1) / (num_samples - 1)
    segment = position.long().clamp(max=num_knots - 2)
    count = segment.bincount(minlength=num_knots - 1)
    start, longest = count.cumsum(0) - count, int(count.max())
    index = (start[:, None] + torch.arange(longest)).clamp(max=num_samples - 1)
    fraction = (position[index] - torch.arange(num_knots - 1)[:, None]).float()
    return index, fraction, segment * longest + torch.arange(num_samples) - start[segment]


def _harmonics(first: Tensor, coefficients: Tensor) -> Tensor:
    """Return sum_k c_k(t) first(t)^k, `[records, time]`.

    Takes the fundamental's phasor `[records, time]` and complex coefficients `[records, harmonics, knots]`, straight
    lines between knots. Within a segment a coefficient is that of its knot plus the fraction times its rise, so the sum
    is a product of matrices.
    """
    num_harmonics, num_knots = coefficients.shape[1:]
    index, fraction, flat = (t.to(first.device) for t in _segments(first.shape[-1], num_knots))
    powers = first.new_empty((len(first), num_knots - 1, num_harmonics, index.shape[-1]))
    powers[:, :, 0] = first[:, index]
    have = 1
    while have < num_harmonics:
        add = min(have, num_harmonics - have)
        torch.mul(powers[:, :, :add], powers[:, :, have - 1 : have], out=powers[:, :, have : have + add])
        have += add
    lines = torch.stack([coefficients[..., :-1], coefficients.diff(dim=-1)]).permute(1, 3, 0, 2) @ powers
    return (lines[:, :, 0] + fraction * lines[:, :, 1]).flatten(1)[:, flat]


def _voice(num_records: int, num_samples: int, num_knots: int, rate_hz: float, generator: Generator) -> Tensor:
    """Synthesise the voiced part, analytic, unit power, at the audio rate."""
    time = torch.linspace(0, num_samples / rate_hz, num_knots, device=generator.device)
    base = _uniform((num_records, 1), 85.0, 255.0, generator)
    glides = _uniform((num_records, 1), 1.0, 4.0, generator) * time + _uniform((num_records, 1), 0.0, 1.0, generator)
    pitch = base * (1 + 0.1 * (2 * math.pi * glides).sin())
    amplitude = _harmonic_amplitudes(pitch, _formant_tracks(num_records, num_knots, generator))
    cycles = (interpolate_knots(pitch.double(), num_samples).cumsum(-1) / rate_hz).frac().float()
    start = _uniform((num_records, _NUM_HARMONICS, 1), 0.0, 1.0, generator)
    fundamental = torch.polar(torch.ones_like(cycles), 2 * math.pi * cycles)
    return _harmonics(fundamental, torch.polar(amplitude, (2 * math.pi * start).expand_as(amplitude)))


def _fricative(num_records: int, num_samples: int, generator: Generator) -> Tensor:
    """Draw noise between about 2 and 5 kHz, analytic, unit power."""
    taps = lowpass(31, 0.12)
    shape, device = (num_records, num_samples + 30), generator.device
    noise = torch.randn(shape, dtype=torch.complex64, generator=generator, device=device)
    phase = 2 * math.pi * 0.28 * torch.arange(num_samples, device=device)
    level = torch.full_like(phase, math.sqrt(2 / float(taps.square().sum())))
    return upsample(noise, taps, 1) * torch.polar(level, phase)


def _syllables(num_records: int, num_samples: int, num_knots: int, rate_hz: float, generator: Generator) -> Tensor:
    """Draw a loudness between `_QUIETEST` and 1: a raised cosine at 3 to 6 syllables per second."""
    time = torch.linspace(0, num_samples / rate_hz, num_knots, device=generator.device)
    cycle = _uniform((num_records, 1), 3.0, 6.0, generator) * time + _uniform((num_records, 1), 0.0, 1.0, generator)
    loudness = _QUIETEST + (1 - _QUIETEST) * 0.5 * (1 + (2 * math.pi * cycle).cos())
    q = _QUIETEST
    mean_square = q**2 + q * (1 - q) + 0.375 * (1 - q) ** 2
    return interpolate_knots(loudness, num_samples) / math.sqrt(mean_square)


def _interpolate(audio: Tensor, factor: int, image_free: bool) -> Tensor:
    taps = lowpass(factor * _TAPS_PER_PHASE, 0.5 / factor) * factor
    if not image_free or factor == 1:
        return upsample(audio, taps, factor)
    down = turn(-_CENTRE * torch.arange(audio.shape[-1], dtype=torch.float64, device=audio.device))
    y = upsample(audio * down, taps, factor)
    first = _TAPS_PER_PHASE - 1 - (len(taps) - 1) / (2 * factor)  # where the first output lies among the inputs
    time = first + torch.arange(y.shape[-1], dtype=torch.float64, device=audio.device) / factor
    return y * turn(_CENTRE * time)


def speech(
    num_records: int, num_samples: int, sample_rate_hz: float, *, image_free: bool = False, generator: Generator
) -> Complex[Tensor, "{num_records} {num_samples}"]:
    """Synthesise speech-like messages and their Hilbert transforms: the real part is the audio.

    Harmonics of a gliding pitch through moving formants, plus fricative noise that fills the gaps between syllables,
    so that no record is silent. The real part has unit mean power over many syllables; scale it before modulating.

    The audio is made at about 12.5 kHz and interpolated. The filter's pass band is symmetrical and lets through images
    of -44 dB, at negative frequencies; with `image_free` it lies around the audio's one side, and they are below -70.
    """
    factor = max(1, round(sample_rate_hz / _AUDIO_RATE_HZ))
    rate_hz = sample_rate_hz / factor
    num_audio = math.ceil(num_samples / factor) + _TAPS_PER_PHASE
    num_knots = max(2, math.ceil(num_audio / rate_hz / _KNOT_S) + 1)
    loudness = _syllables(num_records, num_audio, num_knots, rate_hz, generator)
    hiss = _uniform((num_records, 1), 0.05, 0.4, generator)
    voiced = loudness * _voice(num_records, num_audio, num_knots, rate_hz, generator)
    audio = voiced + hiss * (1.9 - loudness) * _fricative(num_records, num_audio, generator)
    return _interpolate(audio, factor, image_free)[:, :num_samples]
