"""What is wrong with a data set: one check a file, each a function from a sample of records to an outcome.

The table `CHECKS`; to add a check, add its line. docs/audit.md says what each measures and when it complains.
"""

from collections.abc import Callable, Mapping

from groundwave.audit.course import check_course
from groundwave.audit.diversity import check_diversity
from groundwave.audit.duplicates import check_duplicates
from groundwave.audit.empty import check_empty
from groundwave.audit.finding import Finding, Outcome
from groundwave.audit.frontend import check_dc, check_image
from groundwave.audit.levels import check_levels
from groundwave.audit.rate import check_rate
from groundwave.audit.sample import Sample, draw_sample
from groundwave.audit.sanity import check_sanity
from groundwave.audit.separable import check_pairs
from groundwave.audit.snr import check_snr

CHECKS: Mapping[str, Callable[[Sample], Outcome]] = {
    "sanity": check_sanity,
    "snr": check_snr,
    "empty": check_empty,
    "channel": check_diversity,
    "course": check_course,
    "duplicates": check_duplicates,
    "pairs": check_pairs,
    "levels": check_levels,
    "dc": check_dc,
    "image": check_image,
    "rate": check_rate,
}

__all__ = ["CHECKS", "Finding", "Outcome", "Sample", "draw_sample"]
