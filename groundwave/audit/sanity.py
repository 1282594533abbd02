"""Records that cannot be used at all: not finite, silent, or constant."""

from groundwave.audit.finding import Finding, Outcome
from groundwave.audit.sample import Sample


def check_sanity(sample: Sample) -> Outcome:
    """Report what the sample had to leave out."""
    findings = [
        Finding(
            what=f"{count} of {sample.num_read} records are {reason}.",
            evidence=f"{100 * count / sample.num_read:.2f} % of the records read",
            value=count / sample.num_read,
            limit=0.0,
            why="One NaN ends a training run; a record without a signal teaches its label to nothing.",
            do="Leave them out, and find out where they come from.",
        )
        for reason, count in sample.left_out.items()
    ]
    return Outcome(findings, [] if findings else [f"All {sample.num_read} records are finite and not constant."])
