"""What a receiver leaves in all records alike: a spike at zero frequency, an image of the band, clipped samples."""

import math

import torch
from torch import Tensor

from groundwave.audit.finding import Finding, Outcome
from groundwave.audit.receiver import by_class, coherent_dc, image, middle
from groundwave.audit.sample import Sample
from groundwave.page import Table

SPIKE_LIMIT_DB, DC_LIMIT_DB = 6.0, -40.0
IMAGE_LIMIT = 0.06  # an image 30 dB below the signal
NEIGHBOURS = slice(2, 7)


def check_dc(sample: Sample) -> Outcome:
    """Compare the power at zero frequency with that beside it, and look for a mean that all records share."""
    ratios, shares = [], []
    for rows in sample.batches():
        power = torch.fft.fft(sample.unit(rows)).abs().square()
        beside = torch.cat([power[:, NEIGHBOURS], power.flip(1)[:, NEIGHBOURS]], 1).median(1).values
        ratios.append(power[:, 0] / beside.clamp(min=1e-12))
        shares.append(power[:, 0] / sample.iq.shape[-1] ** 2)
    # the median over classes: a carrier at zero frequency is the business of a class
    spike = 10 * math.log10(float(_class_medians(torch.cat(ratios), sample.label).median()))
    share = 10 * math.log10(float(_class_medians(torch.cat(shares), sample.label).median()) + 1e-12)
    means = torch.cat([sample.unit(rows).mean(-1) for rows in sample.batches()])
    shared = abs(middle(by_class(means, sample.label)))
    error = float(means.abs().square().mean().sqrt()) * math.sqrt(len(sample.label.unique()) / len(means))
    common = 20 * math.log10(shared + 1e-12)
    body = [["spike over its neighbours", f"{spike:.1f} dB"], ["power at DC over all power", f"{share:.1f} dB"]]
    table = Table(["zero frequency", "median"], [*body, ["part that all records share", f"{common:.1f} dB"]])
    # a carrier at zero frequency has another phase in each record
    if spike < SPIKE_LIMIT_DB or common < DC_LIMIT_DB or shared < 5 * error:
        return Outcome(tables=[table])
    finding = Finding(
        what="A spike at zero frequency: the receiver's DC offset.",
        evidence=f"{spike:.1f} dB above its neighbours, {common:.1f} dB of a record's power with one phase in all",
        value=spike,
        limit=SPIKE_LIMIT_DB,
        why="It is a property of the receiver; a model that uses it fails on another one.",
        do="Subtract each record's mean, if no signal has its carrier there; tune beside the signal next time.",
    )
    return Outcome([finding], tables=[table])


def _class_medians(values: Tensor, label: Tensor) -> Tensor:
    return torch.stack([values[label == code].median() for code in label.unique()])


def check_image(sample: Sample) -> Outcome:
    """Look for E x^2 that most classes share: gain or phase of I and Q differ."""
    iq = sample.unit()
    iq = iq - coherent_dc(iq, sample.label)
    each = iq.square().mean(-1)
    kappa = image(iq, sample.label)
    error = float(each.abs().square().mean().sqrt()) * math.sqrt(len(sample.label.unique()) / len(each))
    rejection = -20 * math.log10(abs(kappa) / 2 + 1e-9)
    note = f"Image rejection of I and Q: {rejection:.0f} dB (E x^2 = {abs(kappa):.3f}, chance {error:.3f})."
    if abs(kappa) < max(IMAGE_LIMIT, 5 * error):
        return Outcome(notes=[note if abs(kappa) > 5 * error else "No I/Q imbalance beyond chance."])
    finding = Finding(
        what="I and Q are not alike in gain or phase in all records: an image of the band.",
        evidence=f"E x^2 / E|x|^2 = {abs(kappa):.3f} shared by most classes, an image {rejection:.0f} dB down",
        value=abs(kappa),
        limit=IMAGE_LIMIT,
        why="It is a property of the receiver; a model that uses it fails on another one.",
        do="Correct the imbalance of the receiver, or vary it when training.",
    )
    return Outcome([finding])
