"""The codebooks of scene `beams`. The table `CODEBOOKS`; to add one, add its line."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from groundwave.signal.array import planar_array
from groundwave.signal.codebook import fan, steered_beams


@dataclass(frozen=True)
class Codebook:
    """Beams side by side, of a uniform array half a wavelength apart."""

    num_beams: int
    size: tuple[int, int]
    """Rows and columns of the array."""
    bits: int | None
    """Of the phase shifters; None: any phase."""
    half_width_rad: float
    """The outermost beams look so far to either side."""
    step: int = 1
    """Every so many beams of a finer codebook are used."""

    @property
    def positions(self) -> Tensor:
        """Positions of the elements in wavelengths `[antenna, 3]`."""
        return planar_array(*self.size)

    @property
    def angle(self) -> Tensor:
        """Where the beams look `[beam, 2]`."""
        return fan(self.num_beams * self.step, self.half_width_rad)[:: self.step]

    @property
    def beams(self) -> Tensor:
        """Weights of unit norm `[beam, antenna]`, before phase shifters round them."""
        return steered_beams(self.positions, self.angle)


CODEBOOKS: Mapping[str, Codebook] = {
    "sibeam-24": Codebook(24, (1, 12), 2, math.radians(60)),
    "sibeam-12": Codebook(12, (1, 12), 2, math.radians(60), step=2),
    "pi-radio-5": Codebook(5, (1, 8), None, math.radians(45)),
}
"""Like those of DeepBeam: 24 beams of SiBeam's 12 elements and every other one of them, five of a digital array."""
