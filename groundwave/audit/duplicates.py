"""Near-duplicates: windows that overlap, repeat or are copies, also shifted, scaled, rotated and under other noise.

Whether a correlation is too high to be chance is measured on the data: random pairs of a class (of different groups)
give the distribution of r, which for tones, chirps or preambles is high by nature. For Gaussian records of n free
values P(r^2 > t) = (1 - t)^n at each shift, so y = -ln(1 - r^2) has an exponential tail and its maximum over shifts is
Gumbel's; location and scale come from the quartiles, which duplicates among the random pairs do not move.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from groundwave.audit.finding import Finding, Outcome, names
from groundwave.audit.fingerprint import correlation, fingerprints, nearest
from groundwave.audit.sample import Sample
from groundwave.page import Table
from groundwave.rng import generator

MOST = 12_000  # records compared with each other
NUM_RANDOM = 256
CHANCE = 1e-3  # expected false alarms in a whole audit, of all pairs that could be compared
EXACT, BY_NATURE = 0.999, 0.9
ALIKE = (0.5, 0.7)  # least correlation of a near-duplicate: of whole bands, and of the signal's band alone
WITHIN_LIMIT, ACROSS_LIMIT, LEAST = 0.05, 0.001, 3  # shares of records; pairs


@dataclass(frozen=True)
class Copies:
    """Pairs of rows of the sample `[2, m]` that are near-duplicates, how alike they are, and by which shift."""

    pairs: Tensor
    alike: Tensor
    lag: Tensor
    dull: list[str]

    def share(self, mask: Tensor, total: int) -> float:
        """Return the share of records that are in one of the pairs of a mask."""
        return len(self.pairs[:, mask].unique()) / total


def check_duplicates(sample: Sample) -> Outcome:
    """Search for near-duplicates within and across groups and classes."""
    if len(sample) < 2:
        return Outcome(notes=["One record has nothing to be a copy of."])
    rows = torch.arange(len(sample))
    if len(rows) > MOST:
        rows = torch.randperm(len(sample), generator=generator(0, "audit", "duplicates"))[:MOST].sort().values
    iq, group, label = sample.unit(rows), sample.group[rows], sample.label[rows]
    copies = find_copies(iq, group, label, sample.classes)
    i, j = copies.pairs
    grouped = bool((group >= 0).all())
    across = (group[i] != group[j]) | torch.tensor(not grouped)
    mixed = (label[i] != label[j]) & (label[i] >= 0) & (label[j] >= 0)
    shares = [copies.share(mask, len(rows)) for mask in (torch.ones_like(across), across, mixed)]
    counts = [int(mask.sum()) for mask in (torch.ones_like(across), across, mixed)]
    body = [
        [name, str(count), f"{100 * share:.2f} %"]
        for name, count, share in zip(("all", "across groups", "across classes"), counts, shares, strict=True)
    ]
    tables = [Table(["near-duplicates", "pairs", "records concerned"], body)]
    if len(i):
        tables.append(_examples(copies, sample, rows, group, label))
    notes = [f"{len(rows)} records compared with each other, at all shifts."]
    if not grouped:
        notes.append("Without groups any near-duplicate may fall on both sides of a split.")
    if copies.dull:
        notes.append(f"Records of {names(copies.dull)} are alike by nature; a copy cannot be told there.")
    return Outcome(_findings(shares, counts, copies, grouped, _classes(sample, label[i])), notes, tables)


def find_copies(iq: Tensor, group: Tensor, label: Tensor, classes: Sequence[str]) -> Copies:
    """Return the near-duplicates among records `[n, time]`, each with its nearest ones."""
    found: dict[tuple[int, int], tuple[float, int]] = {}
    dull: set[int] = set()
    for band in (False, True):
        limit, blunt = limits(iq, group, label, band)
        dull = dull & blunt if band else blunt
        pairs = nearest(fingerprints(iq, band), group)
        for part in pairs.split(256, dim=1):
            peak, lag = correlation(iq[part[0]], iq[part[1]], band)
            hit = peak > torch.maximum(limit[part[0]], limit[part[1]])
            for a, b, r, shift in zip(*part[:, hit].tolist(), peak[hit].tolist(), lag[hit].tolist(), strict=True):
                found[a, b] = max(found.get((a, b), (0.0, 0)), (r, int(shift)))
    order = sorted(found, key=lambda pair: -found[pair][0])
    return Copies(
        torch.tensor(order, dtype=torch.int64).reshape(-1, 2).T,
        torch.tensor([found[pair][0] for pair in order]),
        torch.tensor([found[pair][1] for pair in order], dtype=torch.int64),
        [classes[code] if code >= 0 else "(unlabelled)" for code in sorted(dull)],
    )


def limits(iq: Tensor, group: Tensor, label: Tensor, band: bool) -> tuple[Tensor, set[int]]:
    """Return the correlation `[n]` that chance does not reach in each record's class, and classes that have none."""
    limit = torch.full((len(iq),), EXACT)
    blunt = set()
    for code in label.unique().tolist():
        rows = (label == code).nonzero()[:, 0]
        pairs = rows[torch.randint(len(rows), (2, NUM_RANDOM), generator=generator(0, "audit", "pairs", code))]
        apart = (pairs[0] != pairs[1]) & ((group[pairs[0]] != group[pairs[1]]) | (group[pairs[0]] < 0))
        if apart.sum() < 16:  # one group: pairs within it must do
            apart = pairs[0] != pairs[1]
        if apart.sum() < 16:
            continue
        peak, _ = correlation(iq[pairs[0, apart]], iq[pairs[1, apart]], band)
        peak = peak[peak > 0]
        if len(peak) < 16:
            continue
        y = -torch.log1p(-peak.double().square().clamp(max=1 - 1e-7))
        top = unlikely(y, CHANCE / len(iq) ** 2)
        least = max(math.sqrt(1 - math.exp(-top)), ALIKE[band])
        if BY_NATURE < float(peak.quantile(0.75)) < EXACT:
            blunt.add(code)
        else:
            least = min(least, EXACT)  # noise and all alike: no chance does that
        limit[rows] = least
    return limit, blunt


def unlikely(y: Tensor, chance: float) -> float:
    """Return what a value of the same distribution exceeds by that chance.

    The larger of two: Gumbel's through the quartiles, which are 1.573 scales apart; and an exponential tail through
    the upper quartile and the highest fiftieth, which is heavier where parameters of a waveform happen to agree.
    """
    low, median, high, upper = y.quantile(torch.tensor([0.25, 0.5, 0.75, 0.98], dtype=torch.float64)).tolist()
    scale = (high - low) / 1.573
    gumbel = median - 0.3665 * scale - scale * math.log(chance)
    tail = (upper - high) / math.log(0.25 / 0.02)
    return float(max(gumbel, upper + tail * math.log(0.02 / chance)))


def _findings(
    shares: list[float], counts: list[int], copies: Copies, grouped: bool, classes: Sequence[str]
) -> list[Finding]:
    everything, across, mixed = shares
    found = []
    if counts[1] >= LEAST and across > ACROSS_LIMIT:
        where = "of another group" if grouped else "(the data name no groups)"
        found.append(
            Finding(
                what=f"{100 * across:.2f} % of the records have a near-duplicate {where}.",
                evidence=_evidence(counts[1], copies),
                value=across,
                limit=ACROSS_LIMIT,
                why="A split puts copies on both sides: the test score then measures memory.",
                do=(
                    "Look at the pairs in the table: put records that share a waveform into one group, and split by "
                    "group. Classes of few waveforms (chirps, fixed packets) are alike by nature."
                ),
                about=classes,
            )
        )
    elif everything > WITHIN_LIMIT:
        found.append(
            Finding(
                what=f"{100 * everything:.1f} % of the records have a near-duplicate in their own group.",
                evidence=_evidence(counts[0], copies),
                value=everything,
                limit=WITHIN_LIMIT,
                why="There are fewer different records than it seems, and a split by record leaks.",
                do="Split by group, never by record; cut windows that do not overlap.",
            )
        )
    if counts[2] >= LEAST and mixed > ACROSS_LIMIT:
        found.append(
            Finding(
                what=f"{100 * mixed:.2f} % of the records have a near-duplicate under another label.",
                evidence=f"{counts[2]} pairs",
                value=mixed,
                limit=ACROSS_LIMIT,
                why="One of the two labels is wrong, or the classes are the same.",
                do="Look at the pairs in the table, and correct the labels.",
            )
        )
    return found


def _classes(sample: Sample, label: Tensor) -> list[str]:
    return [sample.classes[code] for code in label.unique().tolist() if code >= 0]


def _evidence(count: int, copies: Copies) -> str:
    return f"{count} pairs with a correlation of up to {float(copies.alike.max()):.3f}, far from chance"


def _examples(copies: Copies, sample: Sample, rows: Tensor, group: Tensor, label: Tensor) -> Table:
    def name(row: int) -> str:
        code = int(label[row])
        return sample.classes[code] if code >= 0 else "–"

    body = [
        [
            f"{int(sample.index[rows[a]])} and {int(sample.index[rows[b]])}",
            f"{r:.3f}",
            str(lag),
            name(a) if label[a] == label[b] else f"{name(a)} / {name(b)}",
            "same" if group[a] == group[b] and group[a] >= 0 else "other" if group[a] >= 0 else "unknown",
        ]
        for (a, b), r, lag in list(
            zip(copies.pairs.T.tolist(), copies.alike.tolist(), copies.lag.tolist(), strict=True)
        )[:8]
    ]
    return Table(["records", "correlation", "shift (samples)", "class", "group"], body, "the pairs that are most alike")
