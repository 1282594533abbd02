"""tune(): what learns, what is chosen, what it costs, and that an interrupted run ends as it would have."""

from pathlib import Path
from typing import Any

import pytest
import torch

from groundwave.adapt import tuning
from groundwave.adapt.answering import Headed
from groundwave.adapt.course import Course, Point, best_of
from groundwave.adapt.ridge import PENALTIES
from groundwave.adapt.tuning import Tuned, tune
from groundwave.adapt.ways import WAYS
from groundwave.contract import SpectrogramContract
from groundwave.contracts import Record
from groundwave.data.sources import Records
from groundwave.errors import DataError, GroundwaveError, OutputExistsError
from groundwave.model import Model
from groundwave.rng import generator
from groundwave.tasks import TASKS
from groundwave.train import Schedule

TASK = TASKS["segmentation"](classes=("noise", "low", "high"), decoder="linear")
ROWS = {"indices": torch.arange(16), "validation": torch.arange(16, 24)}
QUICK = Schedule(epochs=2, lr=1e-2, precision="32-true")


def records(num: int = 24, seed: int = 0) -> Records:
    """Return spectrograms with a band of each of two classes: one in the lower half, one in the upper."""
    draw = generator(seed, "tuning")
    spec = torch.randn(num, 16, 24, generator=draw)
    mask = torch.zeros(num, 16, 24, dtype=torch.uint8)
    for row, (low, high) in enumerate(torch.randint(0, 4, (num, 2), generator=draw).tolist()):
        mask[row, low : low + 4], mask[row, 8 + high : 12 + high] = 1, 2
    label = (torch.arange(num) % 2).long()
    return Records({"spec": spec + 20 * (mask > 0), "mask": mask, "label": label, "group": torch.arange(num)})


def model(seed: int = 0) -> Model:
    torch.manual_seed(seed)
    args = {"dim": 16, "depth": 2, "num_heads": 2, "patch": (4, 4)}
    return Model.build("vit", SpectrogramContract(), args)


def tuned(out: Path, how: str = "frozen", **given: Any) -> Tuned:
    settings = {"task": TASK, "source": records(), **ROWS, "schedule": QUICK, "batch_size": 8, **given}
    return tune(
        settings.pop("model", None) or model(), out=out, how=how, progress=False, last=1, device="cpu", **settings
    )


def changed(before: Model, after: Model) -> set[str]:
    old, new = before.backbone.state_dict(), after.backbone.state_dict()
    return {name for name in old if not old[name].equal(new[name])}


@pytest.mark.parametrize("how", WAYS)
def test_each_way_learns_what_it_says_and_leaves_the_model_as_it_was(how: str, tmp_path: Path) -> None:
    start, same = model(), model()
    result = tuned(tmp_path / "run", how, model=start)
    assert changed(start, same) == set()
    free = changed(start, result.model)
    everything = set(start.backbone.state_dict())
    expected = {
        "frozen": set(),
        "last-blocks": {name for name in everything if name.startswith(("blocks.1.", "norm."))},
        "lora": {f"blocks.{n}.attention.qkv.weight" for n in (0, 1)},
        "full": everything,
        "ridge": set(),
        "scratch": everything,
    }[how]
    assert free <= expected
    assert len(free) > len(expected) / 2 or how in ("frozen", "ridge")


def test_a_solved_head_is_chosen_among_penalties_and_kept(tmp_path: Path) -> None:
    result = tuned(tmp_path / "run", "ridge")
    assert [point.epoch for point in result.curve] == list(range(len(PENALTIES)))
    assert result.best.scores["mIoU"] > 0.6
    again = tuned(tmp_path / "run", "ridge")  # of a finished run
    assert again.curve == result.curve
    spec = records()[torch.arange(2)]["spec"]
    torch.testing.assert_close(again.model.predict({"spec": spec}), result.model.predict({"spec": spec}))
    with pytest.raises(GroundwaveError, match="memory_gb"):
        tuned(tmp_path / "more", "ridge", memory_gb=0.0)


@pytest.mark.parametrize("how", ["frozen", "full", "lora"])
def test_it_learns_and_the_curve_tells_when(how: str, tmp_path: Path) -> None:
    result = tuned(tmp_path / "run", how, schedule=Schedule(epochs=12, lr=1e-2, precision="32-true"), min_steps=4)
    first, last = result.curve[0], result.curve[-1]
    assert last.scores["mIoU"] > first.scores["mIoU"] + 0.2
    seconds = [point.seconds for point in result.curve]
    assert seconds[0] > 0
    assert seconds == sorted(seconds)
    level = result.best.scores["mIoU"]
    assert result.seconds_to("mIoU", level) == result.best.seconds
    assert result.seconds_to("mIoU", 2.0) is None


def test_what_was_seen_once_is_what_would_be_seen_each_time(tmp_path: Path) -> None:
    cached, anew = tuned(tmp_path / "a"), tuned(tmp_path / "b", memory_gb=0.0)
    for point, other in zip(cached.curve, anew.curve, strict=True):
        assert point.scores == pytest.approx(other.scores, abs=0.02)  # the cache rounds to bfloat16


@pytest.mark.parametrize("how", ["full", "lora"])
def test_the_model_answers_each_cell_and_comes_back_from_disk(how: str, tmp_path: Path) -> None:
    result = tuned(tmp_path / "run", how, schedule=Schedule(epochs=8, lr=1e-2, precision="32-true"))
    test = records()[ROWS["validation"]]
    probabilities = result.model.predict(test)
    assert probabilities.shape == (8, 3, 16, 24)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(8, 16, 24))
    total = TASK.tally(probabilities, TASK.target(test))
    assert TASK.scores(total) == pytest.approx(result.best.scores, abs=0.01)
    result.model.save(tmp_path / "again")
    loaded = Model.load(tmp_path / "again")
    assert loaded.classes == TASK.classes
    torch.testing.assert_close(loaded.predict(test), probabilities)
    assert result.model.predict(test["spec"][0, :, :20]).shape == (1, 3, 16, 20)


@pytest.mark.parametrize("name", ["activity", "forecasting", "occupancy"])
def test_other_tasks_are_tuned_alike(name: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "activity": {"classes": ("even", "odd")},
        "forecasting": {"num_slices": 2, "slice": 4, "context": 4},
        "occupancy": {},
    }[name]
    task = TASKS[name](**settings)
    result = tuned(tmp_path / "run", task=task)
    record = records()[torch.arange(4)]
    shape = {"activity": (4, 2), "forecasting": (4, 2, 16, 8), "occupancy": (4, 2, 16, 24)}[name]
    assert result.model.predict(task.observed(record)).shape == shape
    assert set(result.best.scores) >= {task.chosen_by}


def test_the_best_epoch_is_kept_not_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[torch.Tensor] = []

    def note(self: Course, epoch: int, seconds: float) -> None:
        heads.append(self._objective.network.state_dict()["head.project.weight"].clone())
        monkeypatch.setattr(self._objective, "scores", lambda *_: {"mIoU": [0.1, 0.9, 0.9, float("nan")][epoch]})
        Course_note(self, epoch, seconds)

    Course_note = Course.note
    monkeypatch.setattr(Course, "note", note)
    result = tuned(tmp_path / "run", schedule=Schedule(epochs=4, lr=1e-2, precision="32-true"))
    assert result.best.epoch == 1
    assert result.model.head is not None
    torch.testing.assert_close(result.model.head.state_dict()["project.weight"], heads[1])
    assert not torch.allclose(heads[1], heads[3])
    assert result.curve[3].scores == {}


def test_the_first_of_equals_is_best() -> None:
    points = [Point(0, 1.0, {}), Point(1, 2.0, {"a": 0.5}), Point(2, 3.0, {"a": 0.5})]
    assert best_of(points, "a").epoch == 1


def test_an_interrupted_run_ends_as_it_would_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    longer = Schedule(epochs=4, lr=1e-2, precision="32-true")
    whole = tuned(tmp_path / "whole", "full", schedule=longer)
    note = Course.note

    def stop(self: Course, epoch: int, seconds: float) -> None:
        note(self, epoch, seconds)
        if epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Course, "note", stop)
    with pytest.raises(KeyboardInterrupt):
        tuned(tmp_path / "torn", "full", schedule=longer)
    monkeypatch.setattr(Course, "note", note)
    resumed = tuned(tmp_path / "torn", "full", schedule=longer)
    assert [p.scores for p in resumed.curve] == [p.scores for p in whole.curve]
    for name, value in whole.model.modules().state_dict().items():
        assert value.equal(resumed.model.modules().state_dict()[name])


def test_a_finished_run_is_returned_and_another_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tuned(tmp_path / "run")
    monkeypatch.setattr(tuning, "fit", None)
    again = tuned(tmp_path / "run")
    assert again.curve == first.curve
    others = {"source": records(seed=1)}, {"source": Swapped(records())}
    for changes in ({"how": "full"}, {"indices": torch.arange(12)}, {"model": model(1)}, *others):
        with pytest.raises(OutputExistsError):
            tuned(tmp_path / "run", **changes)  # type: ignore[arg-type]


class Swapped:
    """The same spectrograms with the answers exchanged."""

    classes, labels = (), torch.empty(0, dtype=torch.int64)

    def __init__(self, source: Records) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, indices: torch.Tensor) -> Record:
        record = self.source[indices]
        return {**record, "mask": torch.tensor([0, 2, 1])[record["mask"].long()]}


def test_a_run_of_other_labels_is_another_run(tmp_path: Path) -> None:
    def source(label: torch.Tensor) -> Records:
        return Records({"spec": records()[torch.arange(24)]["spec"], "label": label})

    task, label = TASKS["activity"](classes=("even", "odd")), torch.arange(24) % 2
    between = label.clone()
    between[7:9] = between[7:9].flip(0)
    tuned(tmp_path / "run", task=task, source=source(label))
    for other in (1 - label, between):
        with pytest.raises(OutputExistsError):
            tuned(tmp_path / "run", task=task, source=source(other))


def test_mistakes_are_told_before_anything_is_written(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(DataError, match="got 16 examples and 8 for validation, 1 of them in both"):
        tuned(out, validation=torch.arange(15, 23))
    with pytest.raises(GroundwaveError, match="did you mean 'frozen'"):
        tuned(out, "frosen")
    with pytest.raises(DataError, match="class 2 in the mask of record"):
        tuned(out, task=TASKS["segmentation"](classes=("noise", "low")))
    assert not out.exists()


def test_the_seed_decides(tmp_path: Path) -> None:
    a, b, c = (tuned(tmp_path / str(n), seed=seed).curve[-1].scores for n, seed in enumerate((0, 0, 1)))
    assert a == b != c


def test_dropout_of_a_frozen_backbone_is_off() -> None:
    backbone = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.5)).requires_grad_(False)
    network = Headed(backbone, torch.nn.Linear(4, 2)).train()
    assert not network.backbone.training
    assert network.head.training
    assert not network.seen(torch.ones(2, 4, requires_grad=True)).requires_grad
