"""The training loop: it learns, and an interruption changes nothing."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor, nn
from torch.utils.data import DataLoader

from groundwave.contracts import Record
from groundwave.errors import GroundwaveError, OutputExistsError
from groundwave.page import new_figure
from groundwave.rng import generator
from groundwave.train import Schedule, computed_in, fit, warm_cosine

SCHEDULE = Schedule(epochs=4, lr=0.3, precision="32-true")


class Regression(nn.Module):
    """Least squares with noise drawn from the step's generator."""

    def __init__(self, stop_at: int | None = None, bad: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))
        self.stop_at, self.bad, self.seen = stop_at, bad, 0

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        self.seen += 1
        if self.seen == self.stop_at:
            raise KeyboardInterrupt
        noise = 0.01 * torch.randn(len(record["iq"]), generator=generator)
        loss = (record["iq"] @ self.weight - record["iq"].sum(1) + noise).square().mean()
        return {"loss": loss * (torch.nan if self.bad else 1)}


def batches(epoch: int) -> DataLoader[Record]:
    records = [{"iq": torch.randn(8, 3, generator=generator(0, epoch, step))} for step in range(5)]
    return DataLoader(records, batch_size=None)


def run(objective: nn.Module, out: Path, **config: object) -> dict[str, float]:
    return fit(objective, batches, schedule=SCHEDULE, out=out, seed=0, config=config, device="cpu", progress=False)


def test_it_learns_and_writes_its_logs(tmp_path: Path) -> None:
    objective = Regression()
    scalars = run(objective, tmp_path / "run")
    torch.testing.assert_close(objective.weight.detach(), torch.ones(3), atol=0.2, rtol=0)
    assert scalars["loss"] < 0.1
    names = {path.name for path in (tmp_path / "run").rglob("*")}
    assert {"run.json", "last.ckpt", "metrics.csv"} <= names
    assert any(name.startswith("events.out.tfevents") for name in names)


def test_an_interrupted_run_resumes_to_the_very_same_weights(tmp_path: Path) -> None:
    straight = Regression()
    run(straight, tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        run(Regression(stop_at=13), tmp_path / "broken")  # in the third epoch
    resumed = Regression()
    run(resumed, tmp_path / "broken")
    assert resumed.seen == 10, "two epochs were behind it"
    torch.testing.assert_close(resumed.weight, straight.weight, rtol=0, atol=0)


class Drawn(Regression):
    """The same, with a picture, for which it draws random numbers."""

    def picture(self, record: Record, generator: Generator) -> Figure:
        assert not self.training
        self.drawn = record["iq"] + torch.rand(1, generator=generator) + torch.rand(1)
        return new_figure(1, 1)[0]


def test_pictures_come_every_so_often_and_change_nothing(tmp_path: Path) -> None:
    plain, drawn = Regression(), Drawn()
    schedule = Schedule(epochs=5, lr=0.3, precision="32-true")
    for name, objective in (("plain", plain), ("drawn", drawn)):
        fit(objective, batches, schedule=schedule, out=tmp_path / name, seed=0, device="cpu", progress=False)
    found = sorted(path.name for path in (tmp_path / "drawn" / "pictures").iterdir())
    assert found == [f"epoch-{epoch:04}.png" for epoch in (1, 2, 4, 5)]
    assert (tmp_path / "drawn" / "pictures" / "epoch-0001.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "plain" / "pictures").exists()
    torch.testing.assert_close(drawn.weight, plain.weight, rtol=0, atol=0)


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    run(Regression(), tmp_path / "run", width=1)
    with pytest.raises(OutputExistsError):
        run(Regression(), tmp_path / "run", width=2)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "precious.txt").write_text("keep")
    with pytest.raises(OutputExistsError):
        run(Regression(), tmp_path / "other")
    assert [p.name for p in (tmp_path / "other").iterdir()] == ["precious.txt"]


def test_a_loss_that_is_not_finite_stops_the_run_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(GroundwaveError, match="lower the learning rate"):
        run(Regression(bad=True), tmp_path / "run")


def test_what_fails_before_its_first_epoch_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(GroundwaveError):
        run(Regression(bad=True), tmp_path / "run", lr="wrong")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    with pytest.raises(GroundwaveError):
        run(Regression(bad=True), tmp_path / "mine")
    assert list((tmp_path / "mine").iterdir()) == []
    run(Regression(), tmp_path / "run", lr="right")


def test_what_fails_later_or_is_interrupted_stays(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(Regression(stop_at=2), tmp_path / "early")
    assert (tmp_path / "early" / "run.json").exists()
    late = Regression()
    late.forward = lambda record, generator, old=late.forward: (  # type: ignore[method-assign]
        setattr(late, "bad", late.seen > 6) or old(record, generator)
    )
    with pytest.raises(GroundwaveError):
        run(late, tmp_path / "late")
    assert {"run.json", "last.ckpt"} <= {path.name for path in (tmp_path / "late").iterdir()}


@pytest.mark.parametrize(("name", "remedy"), [("run.json", "remove .*run and run"), ("last.ckpt", "first epoch")])
@pytest.mark.parametrize("kept", [0, 40])
def test_a_damaged_file_is_named_with_a_remedy(tmp_path: Path, name: str, remedy: str, kept: int) -> None:
    run(Regression(), tmp_path / "run")
    path = tmp_path / "run" / name
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(GroundwaveError, match=remedy) as told:
        run(Regression(), tmp_path / "run")
    assert name in str(told.value)


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"epochs": -1}, {"lr": 0.0}, {"lr": float("nan")}, {"warmup": 2.0}, {"clip": 0.0}]
)
def test_a_schedule_that_cannot_train_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(GroundwaveError, match=next(iter(wrong))):
        Schedule(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("flags", "asked", "computed"),
    [
        ({"avx512_bf16", "amx_bf16"}, "bf16-mixed", "bf16-mixed"),
        ({"avx512_bf16"}, "bf16-mixed", "32-true"),
        ({"avx512_bf16"}, "bf16-true", "bf16-true"),
        (set(), "bf16-mixed", "bf16-mixed"),
    ],
)
def test_a_processor_multiplies_bf16_only_where_that_is_fast(
    flags: set[str], asked: str, computed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("groundwave.train.processor_flags", lambda: flags)
    assert computed_in(asked, "cpu") == computed
    assert computed_in(asked, "cuda") == asked


def test_a_schedule_of_other_epochs_is_else_the_same_and_never_of_none() -> None:
    assert SCHEDULE.lasting(None) == SCHEDULE
    assert SCHEDULE.lasting(7) == replace(SCHEDULE, epochs=7)
    with pytest.raises(GroundwaveError, match="at least 1"):
        SCHEDULE.lasting(0)


def test_the_schedule_rises_and_falls() -> None:
    factor = warm_cosine(100, 0.1)
    values = [factor(step) for step in range(100)]
    assert values.index(max(values)) in (9, 10)
    assert max(values) == pytest.approx(1)
    assert values[0] == pytest.approx(0.1)
    assert 0 <= values[-1] < 0.01
    assert all(a >= b for a, b in pairwise(values[10:]))


def test_a_schedule_without_decay_stays_at_its_rate() -> None:
    factor = warm_cosine(100, 0.0, "none")
    assert {factor(step) for step in range(100)} == {1.0}
    with pytest.raises(GroundwaveError, match="cosine or none"):
        Schedule(decay="linear")


class Dropping(Regression):
    """The same with dropout, which draws from torch's global generator."""

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        return super().forward({"iq": nn.functional.dropout(record["iq"])}, generator)


def test_dropout_is_addressed_by_the_step(tmp_path: Path) -> None:
    trained = []
    for number in range(2):
        torch.manual_seed(number)  # what was drawn before must not matter
        objective = Dropping()
        run(objective, tmp_path / str(number))
        trained.append(objective.weight.detach().clone())
    torch.testing.assert_close(trained[0], trained[1], rtol=0, atol=0)
