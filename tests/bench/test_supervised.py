"""Training with patience: when it stops, what it keeps, and how it goes on."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from groundwave.bench import supervised
from groundwave.bench.supervised import Patience, WholeNetwork
from groundwave.contracts import Record
from groundwave.errors import GroundwaveError
from groundwave.nn.complex import to_channels
from groundwave.rng import generator

HOW = Patience(epochs=6, batch_size=16, lr=1e-2, stop_after=100)


class Net(nn.Module):
    """A dense layer with dropout, so that a resumed run must also resume its randomness."""

    num_features = 8

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(32, 8), nn.ReLU(), nn.Dropout(0.2))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def records(num: int = 64, seed: int = 0, noise: float = 0.3) -> Record:
    label = torch.arange(num) % 2
    sign = torch.where(label[:, None] == 0, 1.0, (-1.0) ** torch.arange(16)[None])
    drawn = torch.randn(num, 16, dtype=torch.complex64, generator=generator(seed, "noise"))
    return {"iq": sign + noise * drawn, "label": label}


def train(how: Patience, validation: Record | None = None, **settings: object) -> WholeNetwork:
    return WholeNetwork(Net, to_channels, how, validation, **settings).fit(records())  # type: ignore[arg-type]


def test_it_learns_and_answers() -> None:
    query = records(seed=1)
    assert (train(HOW).predict(query).argmax(dim=-1) == query["label"]).float().mean() > 0.95


def test_it_stops_when_validation_gets_no_better_and_keeps_the_best_epoch() -> None:
    wrong = records(seed=1)
    wrong["label"] = 1 - wrong["label"]  # so that the first epoch is the best
    stopped, first = train(Patience(50, 16, 1e-2, stop_after=2), wrong), train(Patience(1, 16, 1e-2), wrong)
    torch.testing.assert_close(stopped.network.state_dict(), first.network.state_dict(), rtol=0, atol=0)


def test_without_validation_it_trains_to_the_end() -> None:
    one, six = train(Patience(1, 16, 1e-2, stop_after=1)), train(Patience(6, 16, 1e-2, stop_after=1))
    assert not one.predict(records()).equal(six.predict(records()))


def test_a_stated_number_of_steps_is_kept_to_whole_epochs() -> None:
    how = Patience(epochs=99, batch_size=16, steps=40)
    assert how.epochs_of(64) == 10
    assert how.epochs_of(16) == 40
    assert how.epochs_of(16_000) == 1
    assert Patience(epochs=99).epochs_of(64) == 99


class Stop(Exception):
    """What stops a training in the test."""


@pytest.mark.parametrize("halve_after", [None, 1])
def test_an_interrupted_training_ends_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, halve_after: int | None
) -> None:
    how = Patience(epochs=6, batch_size=16, lr=1e-2, stop_after=100, halve_after=halve_after)
    validation, checkpoint = records(seed=3, noise=3.0), tmp_path / "runs" / "last.ckpt"
    whole = train(how, validation)
    seen = []

    def validate(self: WholeNetwork, known=WholeNetwork._validate) -> float | None:  # type: ignore[no-untyped-def]
        seen.append(1)
        if len(seen) == 4:
            raise Stop
        return known(self)

    with monkeypatch.context() as patch:
        patch.setattr(WholeNetwork, "_validate", validate)
        with pytest.raises(Stop):
            train(how, validation, checkpoint=checkpoint)
    assert checkpoint.exists()
    resumed = train(how, validation, checkpoint=checkpoint)
    torch.testing.assert_close(resumed.network.state_dict(), whole.network.state_dict(), rtol=0, atol=0)
    assert not checkpoint.exists()


@pytest.mark.parametrize("content", [b"", b"torn", b"PK\x03\x04torn"])
def test_a_damaged_checkpoint_is_named_and_its_removal_advised(content: bytes, tmp_path: Path) -> None:
    checkpoint = tmp_path / "last.ckpt"
    checkpoint.write_bytes(content)
    with pytest.raises(GroundwaveError, match=r"last\.ckpt, which is damaged.*remove that file"):
        train(HOW, checkpoint=checkpoint)


def test_a_checkpoint_is_synced_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    monkeypatch.setattr(supervised, "write_atomically", lambda path, content: written.append((path, len(content))))
    train(Patience(epochs=2, batch_size=16), checkpoint=tmp_path / "runs" / "last.ckpt")
    assert [path.name for path, size in written if size] == ["last.ckpt"] * 2
