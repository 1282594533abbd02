"""What the samples' values tell: clipping, the step of the quantiser, and how records were normalised."""

import torch

from groundwave.audit.clipping import levels
from groundwave.audit.finding import Finding, Outcome
from groundwave.audit.sample import Sample
from groundwave.page import Table
from groundwave.signal.noise import power

CLIPPED_LIMIT = 0.01  # of the records
QUANTISER_LIMIT_DB, COARSE_LIMIT = 20.0, 0.1


def check_levels(sample: Sample) -> Outcome:
    """Count clipped records, and those whose quantiser is coarse; tell the normalisation."""
    found = [levels(sample.iq[rows]) for rows in sample.batches()]
    clipped, at_top, step, largest, snr = (
        torch.cat([getattr(each, name) for each in found])
        for name in ("clipped", "at_top", "step", "largest", "snr_db")
    )
    share = float(clipped.float().mean())
    coarse = float(((step > 0) & (snr < QUANTISER_LIMIT_DB)).float().mean())
    body = [["clipped records", f"{100 * share:.1f} %"]]
    if clipped.any():
        body.append(["their samples at the limit", f"{100 * float(at_top[clipped].mean()):.1f} %"])
    quantised = step > 0
    if quantised.float().mean() > 0.5:
        bits = float((2 * largest[quantised] / step[quantised] + 1).log2().median())
        body += [
            ["levels that a record uses (median)", f"{bits:.1f} bits"],
            ["smallest step", f"{float(step[quantised].min()):.3g} of full scale"],
            ["quantiser's SNR (median)", f"{float(snr[quantised].median()):.0f} dB"],
        ]
    findings = []
    if share > CLIPPED_LIMIT:
        findings.append(_clipping(share, float(at_top[clipped].mean())))
    if coarse > COARSE_LIMIT:
        findings.append(_coarseness(coarse))
    return Outcome(findings, _normalisation(sample), [Table(["values of I and Q", "measured"], body)])


def _clipping(share: float, at_top: float) -> Finding:
    return Finding(
        what=f"{100 * share:.1f} % of the records are clipped.",
        evidence=f"{100 * at_top:.1f} % of their samples of I and Q lie at the largest value, with few just below it",
        value=share,
        limit=CLIPPED_LIMIT,
        why="Clipping squares the constellation and spreads the spectrum: near and far emitters look different.",
        do="Lower the receiver's gain; leave the clipped records out, or clip at random when training.",
    )


def _coarseness(share: float) -> Finding:
    return Finding(
        what=f"{100 * share:.1f} % of the records are quantised coarsely.",
        evidence=f"the quantiser's noise is less than {QUANTISER_LIMIT_DB:.0f} dB below their power",
        value=share,
        limit=COARSE_LIMIT,
        why="Their noise is no longer Gaussian, and a model can tell the receiver's gain by the steps.",
        do="Raise the receiver's gain for weak signals, or quantise at random when training.",
    )


def _normalisation(sample: Sample) -> list[str]:
    """Return how the records were brought to one level, where they were."""
    if len(sample) < 2:
        return []
    pieces = (sample.iq[rows] for rows in sample.batches())
    size = torch.cat([torch.stack([iq.abs().sum(-1), power(iq), iq.abs().amax(-1)], 1) for iq in pieces])
    spread = size.std(0) / size.mean(0)
    kinds = ("to a sum of |x| (so that the power follows from the envelope)", "to a mean power", "to a largest |x|")
    return [
        f"All records are normalised {kind} of {float(mean):.4g}."
        for kind, mean, deviation in zip(kinds, size.mean(0), spread, strict=True)
        if deviation < 1e-3
    ]
