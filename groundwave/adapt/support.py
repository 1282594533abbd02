"""What every learner asks of its support."""

import torch
from torch import Tensor

from groundwave.contracts import Record
from groundwave.errors import DataError


def check_support(support: Record, key: str = "features") -> tuple[Tensor, Tensor, int]:
    """Return inputs, labels and the number of classes of a support, or say what is wrong with it.

    Raises:
        DataError: labels of another length, unlabelled records, one class only, or a class without a record.
    """
    inputs, label = support[key], support["label"]
    if len(inputs) != len(label):
        raise DataError(
            got=f"{len(inputs)} records with {len(label)} labels", expected="one label a record", do="align them"
        )
    if (label < 0).any():
        raise DataError(
            got="unlabelled records", expected="a label for each record", do="leave them out of the support"
        )
    num_classes = int(label.max()) + 1 if len(label) else 0
    counts = torch.bincount(label, minlength=num_classes)
    if num_classes < 2 or (counts == 0).any():
        raise DataError(
            got=f"classes with {counts.tolist()} records",
            expected="at least two classes, numbered from 0 without a gap, each with a record",
            do="label records of every class, or renumber the labels",
        )
    return inputs, label, num_classes
