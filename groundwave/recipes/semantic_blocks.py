"""What blocks of embeddings know of each other and of the label: a part of docs/results/semantic.md."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from groundwave.bench.information import BETWEEN_FEATURES, NUM_DIMS, WITH_LABELS, Measured
from groundwave.bench.information_picture import information_picture
from groundwave.bench.rows import Row
from groundwave.metrics import interval
from groundwave.recipes.results_page import Part
from groundwave.recipes.semantic_rounds import OURS

Bits = Mapping[tuple[str, str], Sequence[float]]  # by what with the label, and estimator: of each run

TRUST = """Ross' estimator counts neighbours, as KSG does. It takes records for independent, which those of different
groups are, and misses the more of what there is, the more dimensions it comes in. The probe is a lower bound in the
mean, and being linear sees no more than planes part.
"""


def informed(rows: Sequence[Row], data: str) -> Iterator[Part]:
    """Yield the mutual information of the blocks of our embeddings."""
    runs: dict[int, list[Measured]] = {}
    for row in rows:
        if row.metric.startswith("information, ") and row.value is not None and row.method == OURS:
            between, _, estimator = row.metric.removeprefix("information, ").rpartition(" (")
            runs.setdefault(row.seed, []).append(Measured(between, estimator.rstrip(")"), row.value))
    if not runs:
        return
    bits: dict[tuple[str, str], list[float]] = {}
    for measured in (one for run in runs.values() for one in run):
        bits.setdefault((measured.between, measured.estimator), []).append(measured.bits)
    labelled = {key: values for key, values in bits.items() if key[1] in WITH_LABELS}
    text = "Embeddings after stage one, before any label, of one test record of each group: the first principal\n"
    text += f"components of each block, {NUM_DIMS}. *Common, as many* are {2 * NUM_DIMS} of each common block, so\n"
    text += "that they are as many as *all* has of both: what *all* tells beyond them is owed to the unique blocks.\n\n"
    text += f"{_between(bits)}With the label, {_telling(labelled)}.\n{_disagreement(labelled)}"
    pictures = {"mutual information": information_picture(list(runs.values()))}
    yield Part(f"What the blocks know, {data}", text, pictures=pictures)


def _between(bits: Bits) -> str:
    """Say what the two estimators find between the unique blocks of modalities."""
    what = next((between for between, name in bits if between.startswith("unique") and name in BETWEEN_FEATURES), None)
    if what is None:
        return ""
    told = ", ".join(f"{name} {round(fmean(bits[what, name]), 2) + 0.0:.2f} bits" for name in BETWEEN_FEATURES)
    return f"Of *{what}* the estimators say {told}: KSG sees what is not correlated and depends all the same.\n"


def _telling(bits: Bits) -> str:
    """Say how many estimates with the label are above zero over the runs."""
    above = sum(interval(values).low > 0 for values in bits.values())
    if above == 0:
        return "every interval reaches below zero: with these seeds none tells anything for certain"
    return f"{above} of {len(bits)} intervals are above zero; what the others tell may be nothing"


def _disagreement(bits: Bits) -> str:
    """Say where neighbours and the classifier differ most, and how each errs."""
    mean = {key: fmean(values) for key, values in bits.items()}
    gaps = {what: mean[what, "Ross"] - mean[what, "probe"] for what, name in mean if name == "Ross"}
    what = max(gaps, key=lambda one: gaps[one])
    told = ", ".join(f"{name} {round(mean[what, name], 2) + 0.0:.2f} bits" for name in WITH_LABELS)
    return f"\nThe two estimators of labels disagree, most on *{what}*: {told}.\n{TRUST}"
