"""Every scene of the table keeps the same contract."""

from typing import Any

import pytest
import torch

from groundwave.contracts import Record, Scene
from groundwave.scenes import SCENES

TINY: dict[str, dict[str, Any]] = {
    "radioml": {"snrs_db": (0, 10), "records_per_cell": 2, "num_samples": 64},
}
DTYPES = {"label": torch.int64, "snr_db": torch.float32, "group": torch.int64, "index": torch.int64}


def build(name: str, seed: int = 0) -> Scene:
    return SCENES[name](**TINY[name], seed=seed)


def assert_same(a: Record, b: Record) -> None:
    assert a.keys() == b.keys()
    for key in a:
        torch.testing.assert_close(a[key], b[key], rtol=0, atol=0, equal_nan=True)


def test_every_scene_has_a_tiny_setting() -> None:
    assert TINY.keys() == SCENES.keys()


@pytest.mark.parametrize("name", SCENES)
def test_a_block_is_a_batched_labelled_record(name: str) -> None:
    scene = build(name)
    assert isinstance(scene, Scene)
    record = scene.block(1)
    assert record["iq"].dtype == torch.complex64
    assert torch.view_as_real(record["iq"]).isfinite().all()
    assert {key: record[key].dtype for key in DTYPES} == DTYPES
    assert {len(values) for values in record.values()} == {scene.num_per_block}
    assert set(record["label"].tolist()) == set(range(len(scene.classes)))
    torch.testing.assert_close(record["index"], scene.num_per_block + torch.arange(scene.num_per_block))


@pytest.mark.parametrize("name", SCENES)
def test_a_block_is_a_pure_function_of_seed_and_number(name: str) -> None:
    scene = build(name)
    forward = [scene.block(b) for b in range(3)]
    for b in (2, 0, 1):
        assert_same(build(name).block(b), forward[b])


@pytest.mark.parametrize("name", SCENES)
def test_other_seeds_and_other_blocks_are_other_records(name: str) -> None:
    first = build(name).block(0)["iq"]
    for other in (build(name, seed=1).block(0)["iq"], build(name).block(1)["iq"]):
        with pytest.raises(AssertionError):
            torch.testing.assert_close(first, other)


@pytest.mark.parametrize("name", SCENES)
def test_no_group_is_in_two_blocks(name: str) -> None:
    scene = build(name)
    groups = [set(scene.block(b)["group"].tolist()) for b in range(3)]
    assert len(set.union(*groups)) == sum(map(len, groups))
    assert min(set.union(*groups)) >= 0
