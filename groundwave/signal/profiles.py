"""Power delay profiles of propagation channels, as their standards tabulate them."""

import math
from dataclasses import dataclass

from groundwave.errors import GroundwaveError, lookup

LOS_DOPPLER = 0.7
"""Doppler shift of a line of sight over the largest one (TR 38.901, clause 7.7.2)."""


@dataclass(frozen=True)
class Profile:
    """Paths of a channel: their delays and mean powers, and how strong a line of sight the first of them holds.

    Args:
        name: what it is called.
        delays: of each path, in seconds; where `normalised`, in units of the rms delay spread.
        powers_db: mean power of each path, up to a common offset; a line of sight is included in the first.
        rician_k_db: power of the line of sight over the scattered power of the first path; None for no line of sight.
        normalised: whether the delays are to be multiplied by an rms delay spread.
    """

    name: str
    delays: tuple[float, ...]
    powers_db: tuple[float, ...]
    rician_k_db: float | None = None
    normalised: bool = False

    def __post_init__(self) -> None:
        numbers = (*self.delays, *self.powers_db, self.rician_k_db or 0.0)
        if not self.delays or len(self.delays) != len(self.powers_db):
            sizes = f"{len(self.delays)} delays and {len(self.powers_db)} powers"
            raise GroundwaveError(sizes, "at least one path, a power for each delay", "complete the profile")
        if not all(math.isfinite(number) for number in numbers) or min(self.delays) < 0:
            raise GroundwaveError(f"profile {self}", "finite numbers, delays from 0 up", "correct the profile")

    @property
    def powers(self) -> tuple[float, ...]:
        """Mean power of each path on a linear scale; they sum to one."""
        linear = [10 ** (db / 10) for db in self.powers_db]
        return tuple(power / sum(linear) for power in linear)

    @property
    def rms_delay(self) -> float:
        """Root mean square delay spread, in the unit of `delays`."""
        mean = sum(p * d for p, d in zip(self.powers, self.delays, strict=True))
        square = sum(p * d * d for p, d in zip(self.powers, self.delays, strict=True))
        return math.sqrt(max(square - mean**2, 0.0))


def rician(k_db: float) -> Profile:
    """Return a single path with a line of sight `k_db` above the scattered power."""
    return Profile("rician", (0.0,), (0.0,), k_db)


def exponential(num_paths: int = 16, step: float = 0.5) -> Profile:
    """Return equally spaced paths whose power falls as exp(-delay), scaled to an rms delay spread of one."""
    delays = [step * path for path in range(num_paths)]
    powers_db = tuple(-10 * math.log10(math.e) * delay for delay in delays)
    spread = Profile("exponential", tuple(delays), powers_db).rms_delay
    return Profile("exponential", tuple(delay / spread for delay in delays), powers_db, normalised=True)


def _nanoseconds(*delays: int) -> tuple[float, ...]:
    return tuple(delay * 1e-9 for delay in delays)


# TDL-A ... TDL-E: 3GPP TR 38.901, tables 7.7.2-1 ... 7.7.2-5. The tables list the line of sight and the scattered part
# of the first path apart; together they have 0 dB. EPA, EVA, ETU: 3GPP TS 36.104, tables B.2-1 ... B.2-3.
# fmt: off
PROFILES: dict[str, Profile] = {
    "rayleigh": Profile("rayleigh", (0.0,), (0.0,)),
    "rician": rician(6.0),
    "two-ray": Profile("two-ray", (0.0, 2.0), (0.0, 0.0), normalised=True),
    "exponential": exponential(),
    "EPA": Profile(
        "EPA", _nanoseconds(0, 30, 70, 90, 110, 190, 410), (0.0, -1.0, -2.0, -3.0, -8.0, -17.2, -20.8),
    ),
    "EVA": Profile(
        "EVA",
        _nanoseconds(0, 30, 150, 310, 370, 710, 1090, 1730, 2510),
        (0.0, -1.5, -1.4, -3.6, -0.6, -9.1, -7.0, -12.0, -16.9),
    ),
    "ETU": Profile(
        "ETU",
        _nanoseconds(0, 50, 120, 200, 230, 500, 1600, 2300, 5000),
        (-1.0, -1.0, -1.0, 0.0, 0.0, 0.0, -3.0, -5.0, -7.0),
    ),
    "TDL-A": Profile(
        "TDL-A",
        (0.0, 0.3819, 0.4025, 0.5868, 0.4610, 0.5375, 0.6708, 0.5750, 0.7618, 1.5375, 1.8978, 2.2242, 2.1718, 2.4942,
         2.5119, 3.0582, 4.0810, 4.4579, 4.5695, 4.7966, 5.0066, 5.3043, 9.6586),
        (-13.4, 0.0, -2.2, -4.0, -6.0, -8.2, -9.9, -10.5, -7.5, -15.9, -6.6, -16.7, -12.4, -15.2,
         -10.8, -11.3, -12.7, -16.2, -18.3, -18.9, -16.6, -19.9, -29.7),
        normalised=True,
    ),
    "TDL-B": Profile(
        "TDL-B",
        (0.0, 0.1072, 0.2155, 0.2095, 0.2870, 0.2986, 0.3752, 0.5055, 0.3681, 0.3697, 0.5700, 0.5283, 1.1021, 1.2756,
         1.5474, 1.7842, 2.0169, 2.8294, 3.0219, 3.6187, 4.1067, 4.2790, 4.7834),
        (0.0, -2.2, -4.0, -3.2, -9.8, -1.2, -3.4, -5.2, -7.6, -3.0, -8.9, -9.0, -4.8, -5.7,
         -7.5, -1.9, -7.6, -12.2, -9.8, -11.4, -14.9, -9.2, -11.3),
        normalised=True,
    ),
    "TDL-C": Profile(
        "TDL-C",
        (0.0, 0.2099, 0.2219, 0.2329, 0.2176, 0.6366, 0.6448, 0.6560, 0.6584, 0.7935, 0.8213, 0.9336, 1.2285, 1.3083,
         2.1704, 2.7105, 4.2589, 4.6003, 5.4902, 5.6077, 6.3065, 6.6374, 7.0427, 8.6523),
        (-4.4, -1.2, -3.5, -5.2, -2.5, 0.0, -2.2, -3.9, -7.4, -7.1, -10.7, -11.1, -5.1, -6.8,
         -8.7, -13.2, -13.9, -13.9, -15.8, -17.1, -16.0, -15.7, -21.6, -22.8),
        normalised=True,
    ),
    "TDL-D": Profile(
        "TDL-D",
        (0.0, 0.035, 0.612, 1.363, 1.405, 1.804, 2.596, 1.775, 4.042, 7.937, 9.424, 9.708, 12.525),
        (0.0, -18.8, -21.0, -22.8, -17.9, -20.1, -21.9, -22.9, -27.8, -23.6, -24.8, -30.0, -27.7),
        rician_k_db=13.3,
        normalised=True,
    ),
    "TDL-E": Profile(
        "TDL-E",
        (0.0, 0.5133, 0.5440, 0.5630, 0.5440, 0.7112, 1.9092, 1.9293, 1.9589, 2.6426, 3.7136, 5.4524, 12.0034,
         20.6519),
        (0.0, -15.8, -18.1, -19.8, -22.9, -22.4, -18.6, -20.8, -22.6, -22.3, -25.6, -20.2, -29.8, -29.2),
        rician_k_db=22.0,
        normalised=True,
    ),
}
# fmt: on


def profile(name: str) -> Profile:
    """Return a profile by name; raises `UnknownNameError`."""
    return lookup(PROFILES, name, "channel profile")
