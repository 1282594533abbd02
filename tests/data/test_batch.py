"""The loader: the same records for any number of workers, and from any resume point."""

from pathlib import Path

import pytest
import torch
from fake.records import records
from torch import Tensor

from groundwave.contracts import Record, Source
from groundwave.data.batch import loader, shuffle_by_chunk
from groundwave.data.sources import Records, SceneSource
from groundwave.data.store import Store
from groundwave.errors import DataError
from groundwave.rng import generator


class Counting:
    """A scene whose record i is i everywhere."""

    classes = ("odd", "even")
    num_per_block = 8

    def __init__(self) -> None:
        self.asked: list[int] = []

    def block(self, b: int) -> Record:
        self.asked.append(b)
        numbers = torch.arange(8) + 8 * b
        return {"iq": numbers[:, None].expand(8, 4).to(torch.complex64), "label": numbers % 2}


def noisy(record: Record, generator: torch.Generator) -> Record:
    noise = torch.randn(record["iq"].shape, dtype=torch.complex64, generator=generator)
    return record | {"iq": record["iq"] + noise}


@pytest.fixture(params=["memory", "store", "scene"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    if request.param == "memory":
        return Records(records(50, 16), classes=["a", "b"])
    if request.param == "scene":
        return SceneSource(Counting(), 50, start=3)
    store = Store.create(tmp_path / "s", classes=["a", "b"], num_samples=16)
    for piece in range(5):
        store.append(records(10, 16, seed=piece), groups=["g"] * 10)
    return Store.open(store.path)


def epoch_of(source: Source, epoch: int, *, step: int = 0, num_workers: int = 0) -> list[Record]:
    made = loader(source, batch_size=8, seed=1, epoch=epoch, step=step, num_workers=num_workers, transform=noisy)
    assert len(made) == 7 - step
    return list(made)


def assert_same(first: list[Record], second: list[Record]) -> None:
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0, equal_nan=True)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("num_workers", [1, 2, 4])
def test_workers_change_nothing(source: Source, num_workers: int) -> None:
    assert_same(epoch_of(source, 2), epoch_of(source, 2, num_workers=num_workers))


def test_resuming_changes_nothing(source: Source) -> None:
    assert_same(epoch_of(source, 2)[3:], epoch_of(source, 2, step=3))


def test_each_epoch_holds_each_record_once_in_another_order(source: Source) -> None:
    orders = [torch.cat([batch["index"] for batch in epoch_of(source, epoch)]) for epoch in (0, 1)]
    torch.testing.assert_close(orders[0].sort().values, orders[1].sort().values)
    assert len(orders[0].unique()) == 50
    assert bool((orders[0] != orders[1]).any())


def test_set_epoch_as_lightning_calls_it(source: Source) -> None:
    made = loader(source, batch_size=8, seed=1, transform=noisy, epoch=1, step=2)
    made.sampler.set_epoch(1)  # Lightning announces the epoch that is being resumed
    assert_same(list(made), epoch_of(source, 1)[2:])
    made.sampler.set_epoch(2)
    assert_same(list(made), epoch_of(source, 2))


def test_order_and_subset_can_be_given() -> None:
    source = Records(records(20, 16))
    rows = torch.tensor([3, 1, 19, 7, 2])
    made = loader(source, rows, batch_size=2, seed=0, shuffle=False, drop_last=True)
    assert [batch["index"].tolist() for batch in made] == [[3, 1], [19, 7]]
    assert len(made) == 2


def test_chunks_stay_together_and_windows_mix() -> None:
    order = shuffle_by_chunk(torch.arange(1000), 10, 50, generator=generator(0))
    torch.testing.assert_close(order.sort().values, torch.arange(1000))
    for window in order.split(50):
        assert len((window // 10).unique()) == 5
    assert bool((order[:50] != order[:50].sort().values).any())


def test_a_scene_is_asked_for_each_block_once() -> None:
    scene = Counting()
    source = SceneSource(scene, 40)
    for batch in loader(source, batch_size=5, seed=0):
        torch.testing.assert_close(batch["iq"][:, 0].real, batch["index"].float())
    assert sorted(scene.asked) == [0, 1, 2, 3, 4]


def test_a_scene_source_is_finite() -> None:
    source = SceneSource(Counting(), 5, start=10)
    assert source[torch.tensor([4, 0])]["iq"][:, 0].real.tolist() == [14, 10]
    with pytest.raises(IndexError):
        source[torch.tensor([5])]


def test_records_of_unequal_length_are_refused() -> None:
    bad: dict[str, Tensor] = records(4) | {"label": torch.tensor([0])}
    with pytest.raises(DataError, match=r"label values of shape \[1\] for 4 records"):
        Records(bad)
