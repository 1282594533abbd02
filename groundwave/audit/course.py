"""Do records whose channel is equally strong also have the same phase? Then one channel's course made them all.

A channel that moves on slowly while a whole data set passes through it may turn by many cycles, so that its phases look
uniform; but each point of its course has one gain and one phase. Within a narrow range of gains, phases of independent
channels are uniform, those of a shared course are few. Records of one group are not independent, and count together.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from groundwave.audit.finding import Finding, Outcome, names
from groundwave.audit.receiver import corrected
from groundwave.audit.sample import Sample
from groundwave.page import Table

ORDERS = (1, 2, 4, 8)
NUM_RANGES = 6
LEAST = 4 * NUM_RANGES  # records of a class
LOG_CHANCE = math.log(1e-6)
_LEAST_STRENGTH = 0.1
_QUIET = 0.3  # cycles per sample; what lies beyond is taken for noise


@dataclass(frozen=True)
class Course:
    """How alike the phases times `order` are at equal gain: mean square resultant and logarithm of its chance."""

    order: int
    resultant: float
    log_chance: float


def check_course(sample: Sample) -> Outcome:
    """Compare the phases of records of one class whose channels are equally strong, at the upper half of the SNRs."""
    known = sample.snr_db[sample.snr_db.isfinite()]
    clear = sample.snr_db >= known.median() if len(known) else torch.ones(len(sample), dtype=torch.bool)
    rows = sample.members(clear & ~sample.clipped, LEAST)
    if not rows:
        return Outcome(notes=[f"Fewer than {LEAST} records of each class: too few to look for a common course."])
    parts = corrected(sample, torch.cat(list(rows.values()))).split([len(here) for here in rows.values()])
    courses = {
        name: shared_course(iq, sample.snr_db[here], sample.group[here])
        for (name, here), iq in zip(rows.items(), parts, strict=True)
    }
    limit = LOG_CHANCE - math.log(len(courses))
    shared = {name: course for name, course in courses.items() if course.log_chance < limit}
    body = [
        [name, str(c.order), f"{c.resultant:.2f}", f"{min(0.0, c.log_chance / math.log(10)):.1f}"]
        for name, c in courses.items()
    ]
    caption = (
        f"R: how alike phases are at equal gain; limit: less than once in 10^6 by chance, over {len(courses)} classes"
    )
    table = Table(["class", "M", "R", "log10 of chance"], body, caption)
    return Outcome(_findings(shared, len(courses)), [], [table])


def _findings(shared: dict[str, Course], num_classes: int) -> list[Finding]:
    if not shared:
        return []
    best = min(shared.values(), key=lambda course: course.log_chance)
    return [
        Finding(
            what="One slowly moving channel made many records: those of equal gain have the same phase.",
            evidence=(
                f"R = {best.resultant:.2f} at equal gain, by chance once in 10^{-best.log_chance / math.log(10):.0f}; "
                f"for {len(shared)} of {num_classes} classes: {names(list(shared))}"
            ),
            value=best.log_chance,
            limit=LOG_CHANCE,
            why="A model can learn this one channel instead of the signal, and the test records share it.",
            do="Draw a channel for each record, or record over more places and times.",
            about=list(shared),
        )
    ]


def gain_db(iq: Tensor, label_db: Tensor) -> Tensor:
    """Return how far each record's signal stands above its noise, in dB over the median of its SNR label.

    Noise is read beyond 0.3 cycles per sample; a signal that reaches there only blurs the gain.
    """
    num = iq.shape[-1]
    spectrum = torch.fft.fft(iq * torch.blackman_window(num, periodic=False)).abs().square()
    noise = spectrum[:, torch.fft.fftfreq(num).abs() > _QUIET].mean(-1) * num
    gain: Tensor = 10 * (spectrum.sum(-1) / noise - 1).clamp(min=1e-3).log10()
    cell = label_db.nan_to_num(-math.inf)
    for label in cell.unique():
        gain[cell == label] -= gain[cell == label].median()
    return gain


def shared_course(iq: Tensor, label_db: Tensor, group: Tensor) -> Course:
    """Return the order of symmetry whose phases agree most at equal gain, over records of one class.

    Orders whose line is weaker than a tenth of |x|^M are not looked at. Under independent channels n R^2 of each range
    of gains is exponential with mean 1, so that their sum follows a gamma distribution.
    """
    by_gain = gain_db(iq, label_db).argsort()
    alone = -1 - torch.arange(len(group))  # a record of unknown group is its own
    code = torch.where(group < 0, alone, group).unique(return_inverse=True)[1]
    found = []
    one = torch.ones((), dtype=torch.double)
    for order in ORDERS:
        symmetry = (iq**order).mean(-1)
        if (symmetry.abs() / (iq.abs() ** order).mean(-1)).median() < _LEAST_STRENGTH:
            continue  # no carrier of this order, but what a receiver leaves in all records: DC, an image
        point = torch.sgn(symmetry)
        ranges = zip(point[by_gain].chunk(NUM_RANGES), code[by_gain].chunk(NUM_RANGES), strict=True)
        parts = [_agreement(*part, num_groups=int(code.max()) + 1) for part in ranges]
        total = sum(agreement for agreement, _ in parts)
        chance = torch.special.gammaincc(len(parts) * one, total * one).clamp(min=1e-300)
        resultant = math.sqrt(sum(square for _, square in parts) / len(parts))
        found.append(Course(order, resultant, float(chance.log()) + math.log(len(ORDERS))))
    return min(found, key=lambda course: course.log_chance, default=Course(1, 0.0, 0.0))


def _agreement(point: Tensor, group: Tensor, num_groups: int) -> tuple[float, float]:
    """Return n R^2 with each group counted once, and R^2."""
    together = torch.zeros(num_groups, dtype=point.dtype).index_add(0, group, point)
    agreement = together.sum().abs().square() / together.abs().square().sum().clamp(min=1e-12)
    return float(agreement), float(point.mean().abs().square())
