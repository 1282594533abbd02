"""A pretraining run: what it is the run of, and what it refuses before anything is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from groundwave.data.sources import Records
from groundwave.errors import GroundwaveError, OutputExistsError
from groundwave.model import InputContract, Model
from groundwave.pretrain.moco import MoCo
from groundwave.pretrain.relationnet import RelationNet
from groundwave.pretrain.run import pretrain
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


def labelled(label: torch.Tensor, classes: tuple[str, ...] = ("a", "b")) -> Records:
    iq = torch.randn(8, 256, dtype=torch.complex64, generator=generator(0, "test"))
    return Records({"iq": iq, "label": label}, classes=classes)


def test_other_labels_are_another_run_of_an_objective_that_learns_from_them_only(tmp_path: Path) -> None:
    label = torch.arange(8) % 2
    others = (labelled(label.flip(0)), labelled(label, ("a", "c")))
    settings: dict[str, Any] = {"objective": "supervised", "objective_args": {}}
    first = run(labelled(label), tmp_path / "supervised", **settings)
    assert first.classes == ("a", "b")
    for other in others:
        with pytest.raises(OutputExistsError):
            run(other, tmp_path / "supervised", **settings)
    run(labelled(label), tmp_path / "lsm")
    for other in others:
        run(other, tmp_path / "lsm")


def test_an_interrupted_run_with_state_beside_the_weights_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    """MoCo's queue and slow encoder, and the model that RelationNet makes at the end, survive a stop."""
    iq = torch.randn(24, 256, dtype=torch.complex64, generator=generator(0, "test"))
    source = Records({"iq": iq, "label": torch.arange(24) % 2}, classes=("a", "b"))
    episode = {"num_ways": 2, "num_shots": 2, "num_queries": 2, "num_tokens": 4}
    for objective, args in (("moco", {"queue_size": 10, "projection": 8}), ("relationnet", episode)):
        settings: dict[str, Any] = {
            "schedule": Schedule(epochs=2, precision="32-true"),
            "backbone": "xcit",
            "backbone_args": {"dim": 8, "depth": 1, "num_heads": 2},
            "objective": objective,
            "objective_args": args,
            "batch_size": 24,
        }
        whole = run(source, tmp_path / f"{objective}-whole", **settings)
        stopped = tmp_path / f"{objective}-stopped"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("groundwave.pretrain.moco.MoCo.forward", stop_after(2, MoCo.forward))
            patch.setattr("groundwave.pretrain.relationnet.RelationNet.forward", stop_after(2, RelationNet.forward))
            with pytest.raises(RuntimeError, match="stopped"):
                run(source, stopped, **settings)
        resumed = run(source, stopped, **settings)
        torch.testing.assert_close(resumed.modules().state_dict(), whole.modules().state_dict(), rtol=0, atol=0)


def stop_after(num_calls: int, forward: Callable[..., Any]) -> Callable[..., Any]:
    """Return a forward that fails after so many calls: the rehearsal and the first step."""
    calls = iter(range(num_calls))

    def failing(*args: Any) -> Any:
        if next(calls, None) is None:
            raise RuntimeError("stopped")
        return forward(*args)

    return failing


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
