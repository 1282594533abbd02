"""Labels are measured with as few records as there are, and what cannot be measured is told with its reason."""

from dataclasses import replace

import pytest
import torch

from groundwave.audit import CHECKS, Sample, draw_sample
from groundwave.audit.snr import MIN_RECORDS, steps
from groundwave.data.sources import SceneSource
from groundwave.scenes import SCENES


def modulations(num: int) -> Sample:
    """Return records of all classes, their SNR labels continuous."""
    made = SCENES["modulations"](num_samples=256, seed=9)
    return draw_sample(SceneSource(made, num), most=num, seed=0)


@pytest.mark.parametrize("per_class", [28, 84])
def test_doubled_labels_are_found_with_few_records_of_many_classes(per_class: int) -> None:
    sample = modulations(71 * per_class)
    assert not CHECKS["snr"](sample).findings
    outcome = CHECKS["snr"](replace(sample, snr_db=2 * sample.snr_db))
    steep = outcome.findings[0]
    assert abs(steep.value - 0.5) < 0.05
    assert len(steep.about) > len(sample.classes) / 2
    assert sum(len(finding.about) for finding in outcome.findings) > 65


def test_too_few_records_are_told_as_such() -> None:
    outcome = CHECKS["snr"](modulations(71 * 4))
    assert not outcome.findings
    assert outcome.notes[0].startswith("Not measurable (too few records): BPSK, QPSK")


def test_steps_are_labels_where_each_has_enough_records_and_pooled_otherwise() -> None:
    label_db = torch.tensor([0.0, 2.0, 4.0]).repeat(20)
    assert [label_db[rows].unique().tolist() for rows in steps(label_db)] == [[0.0], [2.0], [4.0]]
    rows = steps(torch.rand(28, generator=torch.Generator().manual_seed(0)))
    assert torch.cat(rows).sort().values.tolist() == list(range(28))
    assert min(len(part) for part in rows) > MIN_RECORDS
    assert steps(torch.arange(5.0)) == []
