"""What else may be on the air, at unit power. The table `INTERFERERS`."""

from collections.abc import Callable, Mapping

import torch
from torch import Generator, Tensor

from groundwave.scenes.air import Air
from groundwave.scenes.keying import KEYING
from groundwave.scenes.linear import LINEAR
from groundwave.signal.impair import shift_frequency
from groundwave.signal.interference import draw_impulses, draw_sweep, draw_tone, jammer

_NEIGHBOURS = (LINEAR["QPSK"], LINEAR["QAM16"], KEYING["GMSK"], KEYING["FSK2"])
_AIR = Air(8)
_BESIDE = 0.3  # cycles per sample to the middle of the next channel: clear of signals of 4 or more samples per symbol


def _uniform(num_records: int, low: float, high: float, generator: Generator) -> Tensor:
    return low + (high - low) * torch.rand(num_records, generator=generator, device=generator.device)


def co_channel(num_records: int, num_samples: int, generator: Generator) -> Tensor:
    """Another digital signal on the same channel."""
    which = int(torch.randint(len(_NEIGHBOURS), (), generator=generator, device=generator.device))
    return _NEIGHBOURS[which](num_records, num_samples, _AIR, generator)


def adjacent(num_records: int, num_samples: int, generator: Generator) -> Tensor:
    """Another digital signal on the next channel, above or below."""
    side = _uniform(num_records, -1.0, 1.0, generator).sign()
    return shift_frequency(co_channel(num_records, num_samples, generator), _BESIDE * side)


def impulsive(num_records: int, num_samples: int, generator: Generator) -> Tensor:
    """Impulses of ignitions and switches: Middleton's class A."""
    return draw_impulses(num_records, num_samples, impulses_per_sample=0.02, background=0.01, generator=generator)


def sweep(num_records: int, num_samples: int, generator: Generator) -> Tensor:
    """A jammer that sweeps across the band, up or down, within 200 to 2000 samples."""
    edge = _uniform(num_records, 0.2, 0.5, generator)
    edge = edge * _uniform(num_records, -1.0, 1.0, generator).sign()
    period = _uniform(num_records, 200.0, 2000.0, generator)
    return jammer(draw_sweep(-edge, edge, period, generator=generator), num_samples)


def tone(num_records: int, num_samples: int, generator: Generator) -> Tensor:
    """An unmodulated carrier anywhere in the band."""
    return jammer(draw_tone(_uniform(num_records, -0.5, 0.5, generator), generator=generator), num_samples)


INTERFERERS: Mapping[str, Callable[[int, int, Generator], Tensor]] = {
    "co-channel": co_channel,
    "adjacent": adjacent,
    "impulsive": impulsive,
    "sweep": sweep,
    "tone": tone,
}
