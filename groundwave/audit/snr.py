"""Measured SNR against its label: noise from the quiet part of the band, signal from what stands above it."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from groundwave.audit.finding import Finding, Outcome, names
from groundwave.audit.rate import bandwidth
from groundwave.audit.sample import Sample
from groundwave.page import PALETTE, Table, clean, new_figure
from groundwave.signal.spectrum import power_spectrum

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUM_BINS, SMOOTH = 64, 2
QUIET_SHARES = (1 / 3, 1 / 6, 1 / 12)  # of the band, the widest that is flat
WIDEST = 0.75  # bandwidth of a class whose tails cannot be told from noise
MAX_RIPPLE = 0.15  # of the quiet part, beyond what chance gives
LEAST_DB, MOST_ERROR_DB = -5.0, 1.0  # below, and less certain than that, a cell is not used
MIN_RECORDS = 5  # of a cell
POOLED, MAX_STEPS = 6, 16  # of continuous labels
CEILING_DB, LEAST_SPAN_DB = 8.0, 6.0
SLOPE_LIMIT, SHIFT_LIMIT_DB = 0.1, 1.0
SLACK = 2.0  # where too few cells are far enough below the ceiling


@dataclass(frozen=True)
class Cell:
    """One class at one label: measured SNR in the sampled band, its standard error, whether a quiet part was there."""

    label_db: float
    measured_db: float
    error_db: float
    quiet: bool

    @property
    def trusted(self) -> bool:
        """Whether the fit may use it."""
        return self.quiet and self.measured_db > LEAST_DB and self.error_db < MOST_ERROR_DB


@dataclass(frozen=True)
class Line:
    """measured = slope * label + offset_db, None when too little is known; `shift_db`: mean of measured - label.

    `slack` widens the limits where tails may have bent the line.
    """

    slope: float | None
    offset_db: float | None
    shift_db: float
    slope_error: float
    shift_error_db: float
    bandwidth: float
    slack: float

    @property
    def wrong_slope(self) -> bool:
        """Whether a decibel of the label is not a decibel."""
        return self.slope is not None and abs(self.slope - 1) > max(self.slack * SLOPE_LIMIT, 4 * self.slope_error)

    @property
    def wrong_shift(self) -> bool:
        """Whether labels are off by about a constant."""
        return abs(self.shift_db) > max(self.slack * SHIFT_LIMIT_DB, 4 * self.shift_error_db)


def check_snr(sample: Sample) -> Outcome:
    """Compare label and measurement for each class."""
    labelled = sample.snr_db.isfinite()
    if not labelled.any():
        return Outcome(notes=["No SNR labels: nothing to compare."])
    spectra = torch.cat([power_spectrum(sample.unit(rows), NUM_BINS) for rows in sample.batches()])
    cells: dict[str, list[Cell]] = {}
    lines: dict[str, Line] = {}
    lost: dict[str, list[str]] = {}
    for name, rows in sample.members(labelled, 1).items():
        label_db = sample.snr_db[rows]
        width = bandwidth(sample.unit(rows[label_db >= label_db.unique().double().quantile(0.75)]))
        cells[name] = measure(spectra[rows], label_db, width)
        line = fit(cells[name], width)
        if line is None:
            lost.setdefault(_reason(cells[name]), []).append(name)
        else:
            lines[name] = line
    notes = [f"Not measurable ({reason}): {names(found)}." for reason, found in lost.items()]
    if not lines:
        return Outcome(notes=notes)
    caption = "Measured SNR in the sampled band against its label; faint points were not used."
    return Outcome(_findings(lines), notes, [_table(cells, lines)], {caption: _picture(cells)})


def _reason(cells: list[Cell]) -> str:
    """Return why a class has no trusted cell."""
    if not cells or any(cell.quiet and cell.measured_db > LEAST_DB for cell in cells):
        return "too few records"
    return "no quiet part of the band, or no signal above the noise"


def measure(spectra: Tensor, label_db: Tensor, width: float) -> list[Cell]:
    """Return a class's cells from spectra `[n, bins]` of records at unit power and their labels `[n]`.

    `width` is the class's bandwidth; one that fills the band, or is not known, leaves no quiet part.
    """
    shares = [share for share in QUIET_SHARES if width < min(WIDEST, 1 - share)]
    strong = spectra[label_db >= label_db.unique().double().quantile(0.75)]
    # a mean over neighbours: the weakest of single bins would be weak by chance where records are few or short
    around = torch.arange(-SMOOTH, SMOOTH + 1) + torch.arange(spectra.shape[1])[:, None]
    order = strong.mean(0)[around % spectra.shape[1]].mean(1).argsort()
    return [_cell(label_db[rows], spectra[rows], order, shares) for rows in steps(label_db)]


def steps(label_db: Tensor) -> list[Tensor]:
    """Return the rows of each step of the SNR: one a label, or of neighbours where labels have too few records.

    So it is with continuous labels: as many steps as hold `POOLED` records each, up to `MAX_STEPS`.
    """
    order = label_db.argsort()
    counts = label_db.unique(return_counts=True)[1]
    if float(counts.double().median()) < MIN_RECORDS:
        return list(order.tensor_split(min(MAX_STEPS, len(order) // POOLED))) if len(order) >= POOLED else []
    return [rows for rows in order.split(counts.tolist()) if len(rows) >= MIN_RECORDS]


def _cell(label_db: Tensor, spectra: Tensor, order: Tensor, shares: list[float]) -> Cell:
    """Measure one cell in the widest flat part of the bins that are the weakest of the strongest records.

    Its label is the SNR whose share of noise is the mean one by the labels; what they explain is no error.
    """
    level = spectra.mean(0)
    chance = spectra.std(0) / math.sqrt(len(spectra))
    flat = False
    for share in shares or QUIET_SHARES[-1:]:
        quiet = order[: max(4, int(share * len(order)))]
        floor = level[quiet].mean()
        ripple = (level[quiet].var() - chance[quiet].square().mean()).clamp(min=0).sqrt() / floor
        if flat := bool(shares) and bool(ripple < MAX_RIPPLE):
            break
    each = (spectra[:, quiet].mean(1) / spectra.mean(1)).double()
    promised = 1 / (1 + 10 ** (label_db.double() / 10))
    noise = min(max(float(each.mean()), 1e-9), 1 - 1e-9)
    error = float((each - promised * (noise / promised.mean())).std()) / math.sqrt(len(each))
    label = 10 * math.log10(float((1 - promised).mean() / promised.mean()))
    measured = 10 * math.log10((1 - noise) / noise)
    return Cell(label, measured, 10 / math.log(10) * error / (noise * (1 - noise)), flat)


def fit(cells: list[Cell], width: float) -> Line | None:
    """Return the weighted least-squares line through the trusted cells; None when there is none."""
    trusted = [cell for cell in cells if cell.trusted]
    good = below_the_ceiling(trusted)
    if not good:
        return None
    slack = 1.0 if good[-1].measured_db < max(cell.measured_db for cell in trusted) - CEILING_DB else SLACK
    label, measured, error = torch.tensor([[c.label_db, c.measured_db, c.error_db] for c in good]).double().unbind(1)
    weight = 1 / (error.square() + 0.1**2)  # no cell is known better than 0.1 dB
    total = weight.sum()
    centre, mean = (weight * label).sum() / total, (weight * measured).sum() / total
    shift, shift_error = float(mean - centre), float(total.rsqrt())
    spread = (weight * (label - centre).square()).sum()
    if len(good) < 3 or float(label.max() - label.min()) < LEAST_SPAN_DB:
        return Line(None, None, shift, math.inf, shift_error, width, slack)
    slope = float((weight * (label - centre) * measured).sum() / spread)
    return Line(slope, float(mean - slope * centre), shift, float(spread.rsqrt()), shift_error, width, slack)


def below_the_ceiling(cells: list[Cell]) -> list[Cell]:
    """Return the cells that the signal's own tails in the quiet part cannot have moved by a decibel.

    Tails that are 1 / S of the signal's density look like noise, so that measurements bend towards a ceiling of S. S is
    at least the highest measurement; `CEILING_DB` below it the bend is at most 0.75 dB. Where they do not suffice for a
    line, the lowest cells that do are kept.
    """
    ceiling = max((cell.measured_db for cell in cells), default=0.0) - CEILING_DB
    low = [cell for cell in cells if cell.measured_db < ceiling]
    return next((cells[:n] for n in range(max(3, len(low)), len(cells)) if _suffice(cells[:n])), cells)


def _suffice(cells: list[Cell]) -> bool:
    return len(cells) >= 3 and cells[-1].label_db - cells[0].label_db >= LEAST_SPAN_DB


def _findings(lines: dict[str, Line]) -> list[Finding]:
    tilted = {name: line for name, line in lines.items() if line.wrong_slope}
    moved = {name: line for name, line in lines.items() if line.wrong_shift and not line.wrong_slope}
    found = []
    if tilted:
        slopes = [line.slope for line in tilted.values() if line.slope is not None]
        offsets = [line.offset_db for line in tilted.values() if line.offset_db is not None]
        middle = sorted(slopes)[len(slopes) // 2]
        found.append(
            Finding(
                what=f"The SNR is not what its label says: about {middle:.2f} dB for each dB of label.",
                evidence=(
                    f"SNR = {_span(slopes, 2)} * label {_span(offsets, 1, sign=True)} dB in the sampled band, "
                    f"for {len(tilted)} of {len(lines)} classes"
                ),
                value=middle,
                limit=1 + SLOPE_LIMIT if middle > 1 else 1 - SLOPE_LIMIT,
                why="Accuracy at an SNR compares with no other data set; most records are far too easy or too hard.",
                do="Relabel with the line of each class in the table, and say so beside every result.",
                about=list(tilted),
            )
        )
    if moved:
        shifts = sorted(line.shift_db for line in moved.values())
        found.append(
            Finding(
                what="The SNR is off its label by a constant.",
                evidence=f"measured - label = {_span(shifts, 1, sign=True)} dB, {len(moved)} of {len(lines)} classes",
                value=max(shifts, key=abs),
                limit=SHIFT_LIMIT_DB,
                why="Curves of accuracy against SNR move sideways; classes that move differently are not equally hard.",
                do=_remedy(list(moved.values())),
                about=list(moved),
            )
        )
    return found


def _remedy(lines: list[Line]) -> str:
    if all(abs(line.shift_db + _gain_db(line)) < SHIFT_LIMIT_DB for line in lines):
        return "The labels fit the SNR inside the 99 % bandwidth: say that they are in-band, or relabel."
    return "Relabel with the offsets in the table, or say which definition of SNR the labels follow."


def _gain_db(line: Line) -> float:
    """Return what the SNR inside the 99 % bandwidth is above the one in the sampled band."""
    return 10 * math.log10(0.99 / line.bandwidth)


def _span(values: list[float], digits: int, sign: bool = False) -> str:
    low, high = (f"{value:{'+' if sign else ''}.{digits}f}" for value in (min(values), max(values)))
    return low if low == high else f"{low}...{high}"


def _table(cells: dict[str, list[Cell]], lines: dict[str, Line]) -> Table:
    body = []
    for name, line in lines.items():
        slope, offset = ("–" if v is None else f"{v:.2f}" for v in (line.slope, line.offset_db))
        inband = "–" if line.offset_db is None else f"{line.offset_db + _gain_db(line):.2f}"
        used = len(below_the_ceiling([cell for cell in cells[name] if cell.trusted]))
        width = f"{line.bandwidth:.3f}"
        body.append([name, slope, offset, inband, f"{line.shift_db:+.2f}", width, f"{used} of {len(cells[name])}"])
    header = ["class", "slope", "offset (dB)", "offset in-band (dB)", "mean shift (dB)", "99 % bandwidth", "cells used"]
    caption = (
        "measured = slope * label + offset, in the sampled band and inside the 99 % bandwidth (cycles per sample); "
        f"sound: slope within {SLOPE_LIMIT} of 1, shift within {SHIFT_LIMIT_DB:g} dB of 0"
    )
    return Table(header, body, caption)


def _picture(cells: dict[str, list[Cell]]) -> "Figure":
    figure, axes = new_figure()
    known = [cell.label_db for found in cells.values() for cell in found]
    axes.plot([min(known), max(known)], [min(known), max(known)], "k:", linewidth=1, label="measured = label")
    for i, (name, found) in enumerate(cells.items()):
        colour = PALETTE[i % len(PALETTE)]
        good = below_the_ceiling([cell for cell in found if cell.trusted])
        faint = [cell for cell in found if cell not in good and cell.measured_db > 2 * LEAST_DB]
        axes.plot([c.label_db for c in good], [c.measured_db for c in good], "o-", ms=3, lw=1, color=colour, label=name)
        axes.plot([c.label_db for c in faint], [c.measured_db for c in faint], "o", ms=3, color=colour, alpha=0.2)
    axes.set(xlabel="label (dB)", ylabel="measured in the sampled band (dB)")
    axes.grid(alpha=0.25)
    clean(axes)
    if len(cells) <= 2 * len(PALETTE):
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
    return figure
