"""Examples in memory: classes keep their numbers, and all parts share one budget."""

from pathlib import Path

import pytest
import torch

from groundwave.adapt.examples import Examples, Seen, kept
from groundwave.adapt.tuning import tune
from groundwave.contract import InputContract
from groundwave.data.sources import Records
from groundwave.model import Model
from groundwave.rng import generator
from groundwave.tasks.activity import Activity
from groundwave.train import Schedule

CONTRACT = InputContract(num_samples=16, min_samples=16, max_samples=16)
LABELS = torch.tensor([0, 255, 256, 299])


def examples(num_classes: int = 300) -> Examples:
    iq = torch.randn(4, 16, dtype=torch.complex64, generator=generator(0, "examples"))
    task = Activity(tuple(map(str, range(num_classes))))
    source = Records({"iq": iq, "label": LABELS.clamp(max=num_classes - 1)})
    return Examples(source, torch.arange(4), CONTRACT, task)


@pytest.mark.parametrize("most_bytes", [0, 10_000])
def test_more_classes_than_a_byte_holds_keep_their_numbers(most_bytes: int) -> None:
    (some,) = kept([examples()], most_bytes)
    assert isinstance(some, Records) == bool(most_bytes)
    assert some[torch.arange(4)]["target"].long().equal(LABELS)


def test_a_byte_holds_256_classes() -> None:
    target = examples(256)[torch.arange(4)]["target"]
    assert target.dtype == torch.uint8
    assert target.tolist() == [0, 255, 255, 255]


def test_parts_share_one_budget() -> None:
    size = 4 * (2 * 16 * 2 + 4)  # I and Q of 16 samples in two bytes each, a class in four
    for most_bytes, fits in ((size - 1, [False, False]), (size, [True, False]), (2 * size, [True, True])):
        assert [isinstance(part, Records) for part in kept([examples(), examples()], most_bytes)] == fits


def test_a_frozen_backbone_needs_room_for_what_it_sees_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def recorded(self: Seen, indices: torch.Tensor, look=Seen.__getitem__) -> object:  # type: ignore[no-untyped-def]
        looked.append(len(indices))
        return look(self, indices)

    looked: list[int] = []
    monkeypatch.setattr(Seen, "__getitem__", recorded)
    torch.manual_seed(0)
    model = Model.build("vtcnn2", CONTRACT, {"num_samples": 16})
    size = 4 * (model.num_features * 2 + 4)
    for most_bytes, seen_once in ((2 * size, True), (2 * size - 1, False)):
        looked.clear()
        tune(
            model,
            Activity(tuple(map(str, range(300)))),
            Records({"iq": torch.randn(8, 16, dtype=torch.complex64), "label": LABELS.repeat(2)}),
            torch.arange(4),
            validation=torch.arange(4, 8),
            out=tmp_path / str(most_bytes),
            schedule=Schedule(epochs=1, precision="32-true"),
            memory_gb=most_bytes / 2**30,
            device="cpu",
            progress=False,
        )
        assert looked == ([1, 4, 1, 4] if seen_once else [1, 4, 1])
