"""Fingerprints: what changes them, and that those in the folders of earlier runs are still found."""

import torch

from groundwave.data.fingerprint import fingerprint, labels_of
from groundwave.data.sources import Records
from groundwave.rng import generator

ROWS = torch.arange(8)


def records(seed: int = 0, num_samples: int = 256, flipped: bool = False) -> Records:
    iq = torch.randn(8, num_samples, dtype=torch.complex64, generator=generator(seed, "test"))
    label = torch.arange(8) % 2
    return Records({"iq": iq, "label": 1 - label if flipped else label}, classes=("a", "b"))


def test_the_fingerprint_is_of_rows_groups_and_content() -> None:
    prints = {
        fingerprint(records(), ROWS, None),
        fingerprint(records(1), ROWS, None),
        fingerprint(records(num_samples=128), ROWS, None),
        fingerprint(records(), ROWS[:6], None),
        fingerprint(records(), ROWS, ROWS),
        fingerprint(records(), ROWS, ROWS.flip(0)),
    }
    assert len(prints) == 6
    assert fingerprint(records(), ROWS, ROWS) in prints


def test_labels_are_told_by_name_and_number() -> None:
    told = [labels_of(records(flipped=flipped), ROWS[:6]) for flipped in (False, False, True)]
    assert told[0] == told[1] != told[2]
    assert told[0][:2] == ["a", "b"]


def test_it_stays_what_it_was() -> None:
    record = {"iq": torch.arange(12.0).reshape(3, 4) + 0j, "label": torch.arange(3)}
    source = Records(record, classes=("a", "b", "c"))
    assert fingerprint(source, torch.tensor([2, 0]), torch.arange(3)) == "b4ce6dfe5522503c"
    assert labels_of(source, torch.tensor([2, 0])) == ["a", "b", "c", "51b9c21beffd5c77"]
