"""What one receiver leaves in all its records: DC and an image; measured over classes, and taken off.

A carrier has another phase in each record, and is the business of a class; so what most classes share comes from the
receiver. Records of a group that holds several classes have a receiver of their own; all others count as one group.
"""

import torch
from torch import Tensor

from groundwave.audit.sample import Sample
from groundwave.signal.noise import power, unit_power

MOST_IMAGE = 0.2  # E x^2 / E|x|^2; more is no receiver's imbalance
LEAST_CLASSES = 5  # of a group; the median of fewer could be a class's own


def by_class(values: Tensor, label: Tensor) -> Tensor:
    """Return the mean of values `[n]` of each class present."""
    return torch.stack([values[label == code].mean() for code in label.unique()])


def middle(values: Tensor) -> complex:
    """Return the median of complex values, of real and imaginary parts apart."""
    return complex(float(values.real.median()), float(values.imag.median()))


def coherent_dc(iq: Tensor, label: Tensor) -> complex:
    """Return the mean of records that most classes share: not a carrier, whose phase and class vary."""
    return middle(by_class(iq.mean(-1), label))


def image(iq: Tensor, label: Tensor) -> complex:
    """Return E x^2 of records at unit power that most classes share.

    I/Q imbalance x + k conj(x) makes it 2 k; channels of random phase make it zero, whatever the modulation.
    """
    return middle(by_class(iq.square().mean(-1), label))


def corrected(sample: Sample, rows: Tensor) -> Tensor:
    """Return records at unit power without the DC and image that they share with others of their receiver.

    DC is constant in the scale of the file, or relative to each record's power where a gain control levels what comes
    in; the one that leaves less of the means is taken off.
    """
    iq, label, receiver = sample.iq[rows], sample.label[rows], receivers(sample.group[rows], sample.label[rows])
    for code in receiver.unique():
        here = receiver == code
        centred = unit_power(iq[here] - shared_dc(iq[here], label[here])[:, None])
        kappa = image(centred, label[here])
        iq[here] = centred - kappa / 2 * centred.conj() if abs(kappa) < MOST_IMAGE else centred
    return iq


def receivers(group: Tensor, label: Tensor) -> Tensor:
    """Return a receiver `[n]` for each record: its group where that holds several classes, else -1."""
    pairs = torch.stack([group, label]).unique(dim=1)
    found, num_classes = pairs[0].unique(return_counts=True)
    several = found[(num_classes >= LEAST_CLASSES) & (found >= 0)]
    return torch.where(torch.isin(group, several), group, -1)


def shared_dc(iq: Tensor, label: Tensor) -> Tensor:
    """Return the DC `[n]` of each record of a receiver, in the scale that it has."""
    size = power(iq).sqrt()
    mean = iq.mean(-1)
    constant = torch.full_like(mean, coherent_dc(iq, label))
    relative = size * coherent_dc(unit_power(iq), label)
    left = [((mean - dc).abs() / size).median() for dc in (constant, relative)]
    return constant if left[0] < left[1] else relative
