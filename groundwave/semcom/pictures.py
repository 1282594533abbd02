"""The classical separate design: what a sensor sees is compressed, sent as bits, and put together again."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.fft import dctn, idctn
from torch import Tensor

from groundwave.semcom.link import quantised

WIDTH = 4  # bits of a coefficient
REACH = 3.0  # standard deviations that a quantiser covers on each side


@dataclass(frozen=True)
class ZonalCodec:
    """Cosine transform, the coefficients of lowest frequency, `WIDTH` bits for each (Jain, 1989, section 11.5).

    Mean and spread of each coefficient, and the range of values, are known at both ends. Each record takes the same
    number of bits, coefficients times width: no entropy code, so that a count can be redone by hand.

    Args:
        mean: of each coefficient over records, `[C, ...]`.
        spread: its standard deviation.
        order: of all coefficients, flattened, from the lowest frequency on, channels in turn.
        limits: least and largest value.
    """

    mean: Tensor
    spread: Tensor
    order: Tensor
    limits: tuple[float, float]

    @classmethod
    def learned(cls, x: Tensor) -> "ZonalCodec":
        """Return the codec for records like these: `[B, C, H, W]`, grids `[B, H, W]`, signals complex `[B, T]`."""
        real = _real(x)
        coefficients = _transformed(real)
        places = torch.meshgrid(*(torch.arange(size) / size for size in real.shape[2:]), indexing="ij")
        order = torch.stack(places).sum(dim=0).expand(real.shape[1:]).flatten().argsort(stable=True)
        spread = coefficients.std(dim=0).clamp(min=1e-9)
        return cls(coefficients.mean(dim=0), spread, order, (float(real.min()), float(real.max())))

    def bits(self, budget: float) -> int:
        """Return how many bits a record takes of a budget."""
        return WIDTH * min(len(self.order), int(budget / WIDTH))

    def sent(self, x: Tensor, budget: float) -> Tensor:
        """Return what arrives of records in so many bits each; a coefficient that was not sent is at its mean."""
        kept = self.order[: self.bits(budget) // WIDTH]
        real = _real(x)
        scaled = ((_transformed(real) - self.mean) / self.spread).flatten(1)
        arrived = torch.zeros_like(scaled)
        arrived[:, kept] = quantised(scaled[:, kept], WIDTH, REACH)
        coefficients = arrived.reshape(real.shape) * self.spread + self.mean
        back = torch.from_numpy(idctn(coefficients.numpy(), axes=_axes(real), norm="ortho")).clamp(*self.limits)
        if x.is_complex():
            return torch.complex(back[:, 0], back[:, 1])
        return back.reshape(x.shape)


def _real(x: Tensor) -> Tensor:
    """Return records as real channels: I and Q of a signal, or the one channel of a grid."""
    if x.is_complex():
        return torch.view_as_real(x).movedim(-1, 1)
    return x[:, None] if x.dim() == 3 else x


def _transformed(x: Tensor) -> Tensor:
    return torch.from_numpy(np.asarray(dctn(x.numpy(), axes=_axes(x), norm="ortho")))


def _axes(x: Tensor) -> tuple[int, ...]:
    return tuple(range(2, x.dim()))
