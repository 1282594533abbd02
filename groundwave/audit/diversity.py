"""Is it the same channel in every record? Carrier phases of independent channels are uniform; those of one are not.

The mean of x^M over a record, M = 2, 4 or 8, keeps the carrier's phase (times M) where the constellation has M-fold
symmetry, and is of random phase where it has not. So with a channel (or an oscillator) of its own for each record, the
phases of a class are uniform whatever its modulation: n R^2 of the resultant R = |mean of exp(j phase)| is exponential
with mean 1 (Rayleigh's test). Phases are compared between records only, so the data need no common alphabet.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from groundwave.audit.finding import Finding, Outcome, names
from groundwave.audit.frontend import coherent_dc, image
from groundwave.audit.sample import Sample
from groundwave.page import PALETTE, Table, clean, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ORDERS = (2, 4, 8)
LEAST = 12  # records of a class
RESULTANT_LIMIT, LOG_CHANCE = 0.5, math.log(1e-6)
MOST_IMAGE = 0.2  # more is no receiver's imbalance
STRENGTH_LIMIT = 0.05  # what a receiver's residual image or rounding leaves is below it


@dataclass(frozen=True)
class Phases:
    """A class's carrier phases times `order`, and how well they agree.

    `resultant` is that of the phases alone; `strength` is |mean of x^M| over the mean of |x|^M, over all records.
    """

    order: int
    angles: Tensor
    resultant: float
    strength: float

    @property
    def log_chance(self) -> float:
        """Logarithm of the chance that uniform phases agree as much, in one of all orders that were tried."""
        return -len(self.angles) * self.resultant**2 + math.log(len(ORDERS))

    def alike(self, log_limit: float) -> bool:
        """Return whether they agree beyond chance, and strongly enough to come from the carrier."""
        return self.resultant > RESULTANT_LIMIT and self.strength > STRENGTH_LIMIT and self.log_chance < log_limit

    @property
    def spread_deg(self) -> float:
        """Circular standard deviation of the carrier's phase."""
        return math.degrees(math.sqrt(-2 * math.log(min(max(self.resultant, 1e-9), 1.0)))) / self.order


def check_diversity(sample: Sample) -> Outcome:
    """Compare the carrier phases of the records of each class, at their highest SNRs."""
    # a limit on I and Q makes a square of any constellation, whose fourth power has a phase of its own
    rows = sample.members(sample.strong() & ~sample.clipped, LEAST)
    if not rows:
        return Outcome(notes=["Too few records of each class to compare their carrier phases."])
    chosen = torch.cat(list(rows.values()))
    iq, label = sample.unit(chosen), sample.label[chosen]
    # a receiver's own DC and image are the same in all records, and no matter of the channel
    iq -= coherent_dc(iq, label)
    kappa = image(iq, label)
    if abs(kappa) < MOST_IMAGE:
        iq -= kappa / 2 * iq.conj()
    parts = iq.split([len(here) for here in rows.values()])
    phases = {name: most_alike(part) for name, part in zip(rows, parts, strict=True)}
    limit = LOG_CHANCE - math.log(len(phases))
    alike = {n: p for n, p in phases.items() if p.alike(limit)}
    body = [
        [
            name,
            str(p.order),
            f"{p.resultant:.2f}",
            f"{min(0.0, p.log_chance / math.log(10)):.1f}",
            f"{p.spread_deg:.0f}" if name in alike else "too weak" if p.resultant > RESULTANT_LIMIT else "uniform",
        ]
        for name, p in phases.items()
    ]
    caption = (
        f"R is 0 for uniform phases and 1 for equal ones; limit {RESULTANT_LIMIT}, "
        "where chance gives it less than once in 10^6"
    )
    table = Table(["class", "M", "R", "log10 of chance", "spread of the carrier phase (degrees)"], body, caption)
    title = "Carrier phases of the records of each class, turned so that their mean is up; uniform is sound."
    return Outcome(_findings(alike, len(phases)), [], [table], {title: _picture(phases)})


def most_alike(iq: Tensor) -> Phases:
    """Return the phases of the order whose resultant is the largest."""
    found = []
    for order in ORDERS:
        symmetry = (iq**order).mean(-1) / (iq.abs() ** order).mean(-1)
        point = torch.sgn(symmetry)
        found.append(Phases(order, symmetry.angle(), float(point.mean().abs()), float(symmetry.mean().abs())))
    return max(found, key=lambda phases: phases.resultant)


def _findings(alike: dict[str, Phases], num_classes: int) -> list[Finding]:
    if not alike:
        return []
    resultants = sorted(phases.resultant for phases in alike.values())
    spreads = [phases.spread_deg for phases in alike.values()]
    return [
        Finding(
            what="The channel is nearly the same in all records: their carriers have nearly the same phase.",
            evidence=(
                f"resultant R = {resultants[0]:.2f}...{resultants[-1]:.2f} (0 for channels of their own), "
                f"phases within {min(spreads):.0f}...{max(spreads):.0f} degrees, "
                f"for {len(alike)} of {num_classes} classes: {names(list(alike))}"
            ),
            value=resultants[-1],
            limit=RESULTANT_LIMIT,
            why="A model can learn this one channel instead of the signal, and the test records share it.",
            do="Draw a channel for each record (a random phase at the least), or record over more places and times.",
            about=list(alike),
        )
    ]


def _picture(phases: dict[str, Phases]) -> "Figure":
    count = len(phases)
    columns = min(6, count)
    lines = math.ceil(count / columns)
    grid = {"nrows": lines, "ncols": columns, "squeeze": False, "sharex": True, "sharey": True}
    figure, panels = new_figure(1.5 * columns + 0.6, 1.5 * lines + 0.6, **grid)
    for axes in panels.flat[count:]:
        axes.set_visible(False)
    for axes, (name, found) in zip(panels.flat, phases.items(), strict=False):
        point = torch.polar(torch.ones_like(found.angles), found.angles)
        turned = (point * point.mean().conj()).angle() * 1j + math.pi / 2 * 1j
        around = torch.exp(turned)
        axes.scatter(around.real, around.imag, s=6, alpha=0.4, linewidths=0, color=PALETTE[0])
        axes.set_title(f"{name} (M={found.order})", fontsize=8)
        axes.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), aspect="equal", xticks=[], yticks=[])
        clean(axes)
    return figure
