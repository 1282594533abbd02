"""A view through another channel: a random short echo pattern."""

from dataclasses import dataclass

import torch
from torch import Generator

from groundwave.contracts import Record
from groundwave.signal.noise import noise_like
from groundwave.views.answers import keeping


@dataclass(frozen=True)
class Filter:
    """Convolve each record (circularly) with one direct path and `num_echoes` complex Gaussian echoes.

    Echo k arrives k samples late with mean power `echo_power` * 2^-k, relative to the direct path. All antennas of a
    record share the filter. Colours a transmitter's own spectrum, by which a device is known.
    """

    num_echoes: int = 3
    echo_power: float = 0.3
    keeps, maps, destroys = keeping(destroys={"device"})

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record through random echoes."""
        iq = record["iq"]
        shape = (len(iq), *([1] * (iq.ndim - 2)), self.num_echoes)
        weight = (self.echo_power * 2.0 ** -torch.arange(1, self.num_echoes + 1, device=iq.device)).sqrt()
        echoes = weight * noise_like(iq.new_empty(shape), generator=generator)
        out = iq.clone()
        for k in range(self.num_echoes):  # a handful of taps: cheaper than any FFT
            out += echoes[..., k : k + 1] * iq.roll(k + 1, -1)
        return {**record, "iq": out}
