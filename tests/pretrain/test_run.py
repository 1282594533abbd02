"""A pretraining run: what it is the run of, and what it refuses before anything is written."""

from pathlib import Path
from typing import Any

import pytest
import torch

from groundwave.data.sources import Records
from groundwave.errors import GroundwaveError, OutputExistsError
from groundwave.model import InputContract, Model
from groundwave.pretrain.run import fingerprint, pretrain
from groundwave.rng import generator
from groundwave.train import Schedule
from groundwave.views import Rotate

TOWERS = {"time": {"kind": "xcit", "dim": 8, "depth": 1, "num_heads": 2}, "frequency": {"kind": "welch", "dim": 8}}
OBJECTIVE = {"terms": (("time", "frequency"),), "projection": 8}


def records(seed: int = 0, num_samples: int = 256) -> Records:
    iq = torch.randn(8, num_samples, dtype=torch.complex64, generator=generator(seed, "test"))
    return Records({"iq": iq, "group": torch.arange(8) // 2})


def run(source: Records, out: Path, **settings: Any) -> Model:
    defaults = {
        "contract": InputContract(num_samples=256, min_samples=64, max_samples=256),
        "views": (Rotate(),),
        "schedule": Schedule(epochs=1, precision="32-true"),
        "backbone_args": {"towers": TOWERS},
        "objective_args": OBJECTIVE,
        "batch_size": 4,
        "progress": False,
    }
    return pretrain(source, out=out, **{**defaults, **settings})


def test_a_finished_run_is_returned_without_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(records(), tmp_path / "run")
    monkeypatch.setattr("groundwave.pretrain.run.fit", None)
    again = run(records(), tmp_path / "run")
    torch.testing.assert_close(again.modules().state_dict(), first.modules().state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("other", [{"source": records(1)}, {"indices": torch.arange(6)}, {"groups": torch.arange(8)}])
def test_other_records_are_another_run(tmp_path: Path, other: dict[str, Any]) -> None:
    run(records(), tmp_path / "run")
    with pytest.raises(OutputExistsError):
        run(**{"source": records(), "out": tmp_path / "run", **other})


def test_the_fingerprint_is_of_rows_groups_and_content() -> None:
    rows, groups = torch.arange(8), torch.arange(8)
    prints = {
        fingerprint(records(), rows, None),
        fingerprint(records(1), rows, None),
        fingerprint(records(num_samples=128), rows, None),
        fingerprint(records(), rows[:6], None),
        fingerprint(records(), rows, groups),
        fingerprint(records(), rows, groups.flip(0)),
    }
    assert len(prints) == 6
    assert fingerprint(records(), rows, groups) in prints


@pytest.mark.parametrize("batch_size", [-1, 0, 1, 9])
def test_a_batch_size_that_cannot_train_is_refused(tmp_path: Path, batch_size: int) -> None:
    with pytest.raises(GroundwaveError, match=f"batch size of {batch_size} "):
        run(records(), tmp_path / "run", batch_size=batch_size)
    assert list(tmp_path.iterdir()) == []


def test_records_too_short_for_the_network_are_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(GroundwaveError, match="records of 1 samples"):
        run(records(num_samples=1), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_the_rehearsal_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rehearsed = run(records(), tmp_path / "a")
    monkeypatch.setattr("groundwave.pretrain.run._rehearse", lambda *_: None)
    torch.testing.assert_close(
        run(records(), tmp_path / "b").modules().state_dict(), rehearsed.modules().state_dict(), rtol=0, atol=0
    )
