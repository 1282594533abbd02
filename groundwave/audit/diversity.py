"""Is it the same oscillator and channel in every record? Then carriers have one frequency, or even one phase.

The mean of x^M over a record, M = 2, 4 or 8, keeps the carrier's phase (times M) where the constellation has M-fold
symmetry, and is of random phase where it has not. So with a channel (or an oscillator) of its own for each record, the
phases of a class are uniform whatever its modulation: n R^2 of the resultant R = |mean of exp(j phase)| is exponential
with mean 1 (Rayleigh's test). The strongest line of x^M is at M times the carrier's offset; oscillators of their own
spread it over more than the resolution of a record, and where there is no line its place is anywhere in the band.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from groundwave.audit.finding import Finding, Outcome, names
from groundwave.audit.receiver import corrected
from groundwave.audit.sample import Sample
from groundwave.page import PALETTE, Table, clean, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ORDERS = (2, 4, 8)
OFFSET_LIMIT, LINE_LIMIT = 0.05, 0.25  # cycles per record, between quartiles; least strength of the line
LEAST = 12  # records of a class
RESULTANT_LIMIT, LOG_CHANCE = 0.5, math.log(1e-6)
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


@dataclass(frozen=True)
class Offsets:
    """How far the carriers of a class are apart: quartile to quartile, in cycles per record, by the steadiest order."""

    order: int
    spread: float

    @property
    def alike(self) -> bool:
        """Whether no record can tell them apart."""
        return self.spread < OFFSET_LIMIT


def check_diversity(sample: Sample) -> Outcome:
    """Compare carrier offsets and phases of the records of each class, at their highest SNRs."""
    # a limit on I and Q makes a square of any constellation, whose fourth power has a phase of its own
    rows = sample.members(sample.strong() & ~sample.clipped, LEAST)
    if not rows:
        return Outcome(notes=["Too few records of each class to compare their carrier phases."])
    chosen = torch.cat(list(rows.values()))
    parts = corrected(sample, chosen).split([len(here) for here in rows.values()])
    phases = {name: most_alike(part) for name, part in zip(rows, parts, strict=True)}
    offsets = {name: steadiest(part) for name, part in zip(rows, parts, strict=True)}
    limit = LOG_CHANCE - math.log(len(phases))
    turned = {name: found for name, found in phases.items() if found.alike(limit)}
    tuned = {name: found for name, found in offsets.items() if found.alike}
    table = _table(phases, offsets, turned)
    title = "Carrier phases of the records of each class, turned so that their mean is up; uniform is sound."
    return Outcome(_findings(turned, tuned, len(phases)), [], [table], {title: _picture(phases)})


def most_alike(iq: Tensor) -> Phases:
    """Return the phases of the order whose resultant is the largest."""
    found = []
    for order in ORDERS:
        symmetry = (iq**order).mean(-1) / (iq.abs() ** order).mean(-1)
        point = torch.sgn(symmetry)
        found.append(Phases(order, symmetry.angle(), float(point.mean().abs()), float(symmetry.mean().abs())))
    return max(found, key=lambda phases: phases.resultant)


def steadiest(iq: Tensor) -> Offsets:
    """Return the spread of the carrier's offset by the order for which it is the least."""
    num_samples = iq.shape[-1]
    window = torch.hann_window(num_samples)
    found = []
    for order in ORDERS:
        spectrum = torch.fft.fft(iq**order * window, 4 * num_samples).abs()
        place = spectrum.argmax(1, keepdim=True)
        left, top, right = (spectrum.gather(1, (place + d) % spectrum.shape[1])[:, 0] for d in (-1, 0, 1))
        # the peak of the parabola through three bins
        peak = place[:, 0] + 0.5 * (left - right) / (left - 2 * top + right).clamp(max=-1e-20)
        cycles = ((peak / spectrum.shape[1] + 0.5) % 1 - 0.5) * num_samples / order
        strength = float((top / ((iq.abs() ** order) * window).sum(1).clamp(min=1e-20)).median())
        low, high = cycles.quantile(torch.tensor([0.25, 0.75])).tolist()
        found.append(Offsets(order, high - low if strength > LINE_LIMIT else math.inf))
    return min(found, key=lambda offsets: offsets.spread)


def _table(phases: dict[str, Phases], offsets: dict[str, Offsets], turned: dict[str, Phases]) -> Table:
    body = [
        [
            name,
            f"{offsets[name].spread:.3f}" if offsets[name].spread < 10 else "no line",
            str(p.order),
            f"{p.resultant:.2f}",
            f"{min(0.0, p.log_chance / math.log(10)):.1f}",
            f"{p.spread_deg:.0f}" if name in turned else "too weak" if p.resultant > RESULTANT_LIMIT else "uniform",
        ]
        for name, p in phases.items()
    ]
    caption = (
        f"offsets are in cycles per record, quartile to quartile; below {OFFSET_LIMIT} they are one. R is 0 for "
        f"uniform phases and 1 for equal ones; limit {RESULTANT_LIMIT}, where chance gives it less than once in 10^6"
    )
    return Table(["class", "spread of offsets", "M", "R", "log10 of chance", "spread of phases (deg)"], body, caption)


def _findings(turned: dict[str, Phases], tuned: dict[str, Offsets], num_classes: int) -> list[Finding]:
    about = list(dict.fromkeys([*tuned, *turned]))
    if not about:
        return []
    parts = []
    if tuned:
        spreads = sorted(offsets.spread for offsets in tuned.values())
        parts.append(f"carrier offsets within {spreads[0]:.3f}...{spreads[-1]:.3f} cycles per record")
    if turned:
        degrees = sorted(phases.spread_deg for phases in turned.values())
        parts.append(f"carrier phases within {degrees[0]:.0f}...{degrees[-1]:.0f} degrees")
    return [
        Finding(
            what="The channel is nearly the same in all records: one oscillator drives them all.",
            evidence=f"{' and '.join(parts)}, for {len(about)} of {num_classes} classes: {names(about)}",
            value=min([offsets.spread for offsets in tuned.values()], default=0.0),
            limit=OFFSET_LIMIT,
            why="A model can learn this one channel instead of the signal, and the test records share it.",
            do="Draw a channel for each record (offset, phase, fading), or record more radios, places and times.",
            about=about,
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
