"""What a transmitter of the table `WAVEFORMS` is: a maker of clean IQ, with the facts about it beside."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Generator, Tensor

from groundwave.errors import GroundwaveError


@dataclass(frozen=True)
class Air:
    """What all transmitters share: symbol length, nominal rate, range of audio levels (RMS of full scale).

    `samples_per_symbol` is the inverse of a waveform's nominal bandwidth: its symbol rate, chip rate, swept band or
    spread of subcarriers. Analog waveforms take theirs from speech and `sample_rate_hz`.
    """

    samples_per_symbol: int = 8
    sample_rate_hz: float = 200e3
    audio_rms: tuple[float, float] = (0.1, 0.3)

    def __post_init__(self) -> None:
        """Refuse numbers that no transmitter can have."""
        sps, rate, (low, high) = self.samples_per_symbol, self.sample_rate_hz, self.audio_rms
        if not isinstance(sps, int) or sps < 2:
            raise GroundwaveError(f"{sps} samples per symbol", "a whole number from 2 up", "sample more densely")
        if not 0 < rate < math.inf:
            raise GroundwaveError(f"a sample rate of {rate} Hz", "a positive number", "state the rate in Hz")
        if not 0 <= low <= high < math.inf:
            raise GroundwaveError(f"audio_rms={self.audio_rms}", "a lower and an upper level from 0 up", "set it so")


Maker = Callable[[int, int, Air, Generator], Tensor]


@dataclass(frozen=True)
class Waveform:
    """A named transmitter: `waveform(num_records, num_samples, air, generator)` is clean IQ `[records, samples]`.

    Each record is an independent draw of what is sent and of where in its frame or symbol it begins.

    Args:
        family: those of one family differ in order or rate alone.
        make: the maker.
        text: what it is, in a line.
        source: the standard, book or paper that defines it.
        bandwidth_hz: nominal bandwidth of a waveform that has one by standard or by nature (speech).
    """

    family: str
    make: Maker
    text: str
    source: str
    bandwidth_hz: float | None = None

    def __call__(self, num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
        """Return clean complex64 `[num_records, num_samples]`.

        Raises:
            GroundwaveError: less than one record or sample.
        """
        if num_records < 1 or num_samples < 1:
            got = f"{num_records} records of {num_samples} samples"
            raise GroundwaveError(got, "at least one of each", "ask for more")
        return self.make(num_records, num_samples, air, generator)
