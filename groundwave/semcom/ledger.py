"""The ledger: what learning and inference have cost on the air, message by message, and what each number means."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields

from groundwave.data.typed import COUNT
from groundwave.errors import GroundwaveError
from groundwave.page import Table

UP, DOWN, ACROSS = "up", "down", "across"
DIRECTIONS: Mapping[str, str] = {
    UP: "from a device to the server",
    DOWN: "from the server to a device",
    ACROSS: "between devices that see the same scene; none where both sensors share one box",
}
MEANINGS: Mapping[str, str] = {
    "round trips": "training steps in which features went up and gradients came down; a step counts once however many "
    "devices take part, and forward-only traffic counts none",
    "messages": "transmissions, one per device and batch",
    "real symbols": "real dimensions of the channel that were used; a complex symbol is two, pilots included",
    "bits": "of a digital message the bits of its payload; of an analogue one the bits that its values would take at "
    "the stated precision, which makes methods comparable and is no rate that a channel could carry",
    "energy (J)": "complex symbols times the energy of one, transmit power over symbol rate; without circuits",
}


@dataclass(frozen=True)
class Traffic:
    """What some messages add up to."""

    messages: int = 0
    real_symbols: int = 0
    bits: int = 0
    energy_j: float = 0.0

    def __add__(self, other: "Traffic") -> "Traffic":
        """Return both together."""
        return Traffic(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


class Ledger:
    """Counts by phase and direction; every number is a count times a width that anyone can redo by hand.

    Args:
        bits_per_real: precision at which analogue values are counted.
        power_w: transmit power.
        symbol_rate_hz: complex symbols per second.

    Raises:
        GroundwaveError: a width that is no whole number of bits, a power or a rate that is not positive.
    """

    def __init__(self, bits_per_real: int = 32, power_w: float = 0.1, symbol_rate_hz: float = 1e6) -> None:
        for name, value, good, expected in (
            ("bits_per_real", bits_per_real, COUNT.fits(bits_per_real), COUNT.words),
            ("power_w", power_w, 0 < power_w < math.inf, "a positive number"),
            ("symbol_rate_hz", symbol_rate_hz, 0 < symbol_rate_hz < math.inf, "a positive number"),
        ):
            if not good:
                raise GroundwaveError(f"{name} {value}", expected, f"change {name}")
        self.bits_per_real = bits_per_real
        self.energy_per_symbol_j = power_w / symbol_rate_hz
        self.rounds: Counter[str] = Counter()
        self.faults: Counter[tuple[str, str]] = Counter()
        self._traffic: dict[tuple[str, str], Traffic] = {}

    def analogue(self, phase: str, direction: str, *, values: int, pilots: int = 0, side: int = 0) -> None:
        """Note one message of analogue values.

        Args:
            phase: of the work, such as `training`.
            direction: up, down or across.
            values: reals that are sent, two to a complex symbol.
            pilots: complex symbols beside them.
            side: reals of side information (a scale), sent digitally; counted as as many values.
        """
        reals = values + side
        used = reals + 2 * pilots
        self._note(phase, direction, Traffic(1, used, reals * self.bits_per_real, used / 2 * self.energy_per_symbol_j))

    def digital(self, phase: str, direction: str, *, bits: int, symbols: int) -> None:
        """Note one message of so many bits, coded into so many complex symbols."""
        self._note(phase, direction, Traffic(1, 2 * symbols, bits, symbols * self.energy_per_symbol_j))

    def round_trip(self, phase: str) -> None:
        """Note that one training step has gone up and come back."""
        self.rounds[phase] += 1

    def fault(self, device: str, kind: str) -> None:
        """Note that a device did not take part as it should."""
        self.faults[device, kind] += 1

    def traffic(self, phase: str | None = None, direction: str | None = None) -> Traffic:
        """Return the sum over a phase (all) and a direction (all)."""
        total = Traffic()
        for (of_phase, of_direction), some in self._traffic.items():
            if phase in (None, of_phase) and direction in (None, of_direction):
                total += some
        return total

    def table(self) -> Table:
        """Return everything, a line per phase and direction, with the meaning of each number below."""
        body = []
        for (phase, direction), some in self._traffic.items():
            counts = [self.rounds[phase], some.messages, some.real_symbols, some.bits]
            body.append([f"{phase}, {direction}", *(f"{count:,}" for count in counts), f"{some.energy_j:.3g}"])
        told = [f"{name}: {meaning}." for name, meaning in MEANINGS.items()]
        told.append(f"Precision: {self.bits_per_real} bits per real.")
        told += [f"{device} was {kind} {count} times." for (device, kind), count in self.faults.items()]
        return Table(["phase and direction", *MEANINGS], body, " ".join(told))

    def _note(self, phase: str, direction: str, some: Traffic) -> None:
        if direction not in DIRECTIONS:
            raise GroundwaveError(f"direction {direction!r}", f"one of {', '.join(DIRECTIONS)}", "correct it")
        self._traffic[phase, direction] = self._traffic.get((phase, direction), Traffic()) + some
