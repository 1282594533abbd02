"""Every scene of the table keeps the same contract."""

from typing import Any

import pytest
import torch

from groundwave.contracts import Record, Scene
from groundwave.scenes import SCENES

TINY: dict[str, dict[str, Any]] = {
    "angles": {"num_samples": 16, "records_per_class": 2},
    "beams": {"codebook": "pi-radio-5", "front_ends": (0, 2), "num_samples": 64},
    "csi": {"num_packets": 16, "num_subcarriers": 4},
    "modulations": {"records_per_class": 2, "num_samples": 64},
    "radioml": {"snrs_db": (0, 10), "records_per_cell": 2, "num_samples": 64},
    "rml22": {"snrs_db": (0, 10), "records_per_cell": 2, "num_samples": 64},
    "spectrogram": {"classes": ("BPSK", "WBFM"), "bandwidth": (0.06, 0.3), "num_freqs": 32, "num_frames": 24},
    "cellular": {"classes": ("NR", "LTE", "radar"), "num_freqs": 32, "num_frames": 24, "num_averaged": 8},
    "ism-band": {"num_freqs": 64, "num_frames": 16, "bandwidth_mhz": (60, 80), "duration_s": 2e-3, "num_per_block": 8},
    "occupancy": {"num_freqs": 64, "num_frames": 48, "num_averaged": 2, "num_per_block": 8},
    "rgbd": {"height": 8, "width": 12, "rooms_per_class": 1, "pictures_per_room": 2},
}
PUBLISHED = ("radioml", {"version": "as-published"})
DTYPES = {"snr_db": torch.float32, "group": torch.int64, "index": torch.int64}
INPUTS = {
    **dict.fromkeys(("iq", "array", "csi"), torch.complex64),
    **dict.fromkeys(("spec", "rgb", "depth"), torch.float32),
}


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
    inputs = record.keys() & INPUTS.keys()
    assert inputs
    assert all(record[key].dtype == INPUTS[key] and record[key].isfinite().all() for key in inputs)
    assert {key: record[key].dtype for key in DTYPES} == DTYPES
    assert {len(values) for values in record.values()} == {scene.num_per_block}
    torch.testing.assert_close(record["index"], scene.num_per_block + torch.arange(scene.num_per_block))


@pytest.mark.parametrize("name", SCENES)
def test_each_class_is_an_answer_of_a_block(name: str) -> None:
    scene = build(name)
    record = scene.block(1)
    if "label" in record:
        assert record["label"].dtype == torch.int64
        assert set(record["label"].tolist()) == set(range(len(scene.classes)))
    else:  # a class for each cell; 0 is noise
        assert record["mask"].dtype == torch.uint8
        assert record["mask"].shape == record["spec"].shape
        assert set(record["mask"].unique().tolist()) == set(range(len(scene.classes) + 1))


@pytest.mark.parametrize("name", SCENES)
def test_a_block_is_a_pure_function_of_seed_and_number(name: str) -> None:
    scene = build(name)
    forward = [scene.block(b) for b in range(3)]
    for b in (2, 0, 1):
        assert_same(build(name).block(b), forward[b])


@pytest.mark.parametrize("name", SCENES)
def test_other_seeds_and_other_blocks_are_other_records(name: str) -> None:
    first = build(name).block(0)
    for other in (build(name, seed=1).block(0), build(name).block(1)):
        for key in first.keys() & INPUTS.keys():
            with pytest.raises(AssertionError):
                torch.testing.assert_close(first[key], other[key])


@pytest.mark.parametrize("name", SCENES)
def test_no_group_is_in_two_blocks(name: str) -> None:
    scene = build(name)
    groups = [set(scene.block(b)["group"].tolist()) for b in range(3)]
    assert len(set.union(*groups)) == sum(map(len, groups))
    assert min(set.union(*groups)) >= 0


# boxes and masks of whole bands tell all
BANDS = {"spectrogram", "cellular", "ism-band", "occupancy"}


@pytest.mark.parametrize(("name", "settings"), [*((n, {}) for n in sorted(SCENES.keys() - BANDS)), PUBLISHED])
def test_provenance_adds_draws_and_changes_nothing(name: str, settings: dict[str, Any]) -> None:
    usual = SCENES[name](**TINY[name], **settings).block(1)
    told = SCENES[name](**TINY[name], **settings, provenance=True).block(1)
    drawn = {key for key in told if key.startswith("drawn_")}
    assert "drawn_start" in drawn
    assert {len(told[key]) for key in drawn} == {len(usual["index"])}
    assert_same({key: values for key, values in told.items() if key not in drawn}, usual)
