"""Scene `beams`: what tells beams and front-ends apart, and what a frame shares."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from groundwave.contracts import Record
from groundwave.errors import GroundwaveError, UnknownNameError
from groundwave.scenes.beams import Beams
from groundwave.scenes.codebooks import CODEBOOKS

QUIET: dict[str, Any] = {"snr_db": 80.0, "num_samples": 256, "gains_db": (60.0,)}
CLEAN: dict[str, Any] = {**QUIET, "num_paths": 1, "coupling_db": -math.inf, "severity": 0.0}


def cells(record: Record, front_end: int, key: str = "iq") -> Tensor:
    """Return what a front-end's beams have, in the order of their numbers."""
    rows = (record["front_end"] == front_end).nonzero().flatten()
    return record[key][rows[record["label"][rows].argsort()]]


def levels_db(record: Record, front_end: int) -> Tensor:
    return 10 * cells(record, front_end).abs().square().mean(1).log10()


@pytest.mark.parametrize(("name", "num_beams"), [("sibeam-24", 24), ("sibeam-12", 12), ("pi-radio-5", 5)])
def test_a_block_holds_every_beam_at_every_gain_from_every_front_end(name: str, num_beams: int) -> None:
    record = Beams(codebook=name, front_ends=(3, 1), num_samples=32).block(2)
    seen = torch.stack((record["front_end"], record["gain_db"].long(), record["label"]), 1)
    assert len(seen.unique(dim=0)) == len(seen) == 2 * 3 * num_beams
    assert seen[:, 0].unique().tolist() == [1, 3]
    assert len(record["group"].unique()) == len(seen)


def test_the_beam_that_looks_at_the_receiver_is_the_loudest_by_the_gain_of_the_array() -> None:
    book = CODEBOOKS["pi-radio-5"]
    for beam, azimuth in enumerate(book.angle[:, 0].tolist()):
        scene = Beams(codebook="pi-radio-5", azimuth_rad=(azimuth, azimuth), front_ends=(0,), **CLEAN)
        level = levels_db(scene.block(0), 0)
        assert int(level.argmax()) == beam
        compressed = 20 * math.log10(1 - 0.04 * 1.5)
        assert float(level.max()) == pytest.approx(10 * math.log10(8) + compressed, abs=0.5)


def test_without_errors_front_ends_are_alike_and_errors_grow_with_the_severity() -> None:
    apart = []
    for severity in (0.0, 0.5, 2.0):
        scene = Beams(front_ends=(0, 1), **{**CLEAN, "num_samples": 1024, "severity": severity})
        record = scene.block(0)
        apart.append(float((levels_db(record, 0) - levels_db(record, 1)).square().mean().sqrt()))
    assert apart[0] < 0.5  # other symbols
    assert apart[0] < apart[1] < apart[2]


def test_a_front_end_is_the_same_whichever_others_there_are() -> None:
    scenes = [Beams(front_ends=numbers, **QUIET) for numbers in ((2,), (0, 2, 5))]
    levels = [levels_db(scene.block(0), 2) for scene in scenes]
    assert (levels[0] - levels[1]).abs().max() < 2.0
    assert (levels[0] - levels_db(scenes[1].block(0), 5)).abs().max() > 2.0
    torch.testing.assert_close(scenes[0].places.delay, scenes[1].places.delay)


def test_the_snr_is_that_of_the_records_and_falls_with_the_gain() -> None:
    record = Beams(front_ends=(0,), num_samples=1024).block(0)
    loud = Beams(front_ends=(0,), num_samples=1024, snr_db=200.0).block(0)
    at = (record["gain_db"] / 10 - 4).long()
    noise = (record["iq"] - loud["iq"]).abs().square().mean(1)
    measured = 10 * (loud["iq"].abs().square().mean(1) / noise).log10()
    torch.testing.assert_close(measured, record["snr_db"], atol=0.5, rtol=0)
    medians = [float(record["snr_db"][at == k].median()) for k in range(3)]
    assert medians[1] - medians[0] == pytest.approx(10 * math.log10(31 / 4), abs=1.0)
    assert medians[2] - medians[1] == pytest.approx(10 * math.log10(4 / 1.3), abs=1.0)


def test_records_of_a_frame_go_on_where_the_last_one_ended() -> None:
    settings: dict[str, Any] = {"codebook": "pi-radio-5", "front_ends": (0,), **QUIET, "provenance": True}
    whole = Beams(**{**settings, "num_samples": 512}).block(0)
    parts = Beams(**{**settings, "num_samples": 128}, blocks_per_frame=4).block(0)
    assert parts["group"].unique(return_counts=True)[1].tolist() == [4] * 5
    assert parts["drawn_start"].unique().numel() == 5
    torch.testing.assert_close(parts["iq"].unflatten(0, (5, 4)).flatten(1), whole["iq"], atol=2e-3, rtol=0)


def test_wide_arrays_squint_and_farther_places_are_weaker() -> None:
    near, far = (Beams(front_ends=(0,), distance_m=(d, d), **CLEAN).block(0) for d in (1.0, 2.0))
    torch.testing.assert_close(levels_db(near, 0) - levels_db(far, 0), torch.full((24,), 6.02), atol=0.05, rtol=0)
    assert far["distance_m"].tolist() == [2.0] * 24
    scene = Beams(num_places=5, azimuth_rad=(-0.8, 0.8), front_ends=(0,), num_samples=32)
    record = scene.block(0)
    torch.testing.assert_close(record["angle"], scene.places.angle[record["place"], :1])
    assert len(record["place"].unique()) == 5


def test_impossible_settings_are_told() -> None:
    for wrong in (
        {"front_ends": ()},
        {"front_ends": (1, 1)},
        {"front_ends": (-1,)},
        {"gains_db": ()},
        {"severity": -1.0},
        {"azimuth_rad": (0.5, -0.5)},
        {"distance_m": (0.0, 1.0)},
        {"num_paths": 0},
        {"carrier_hz": 1e9},
    ):
        with pytest.raises(GroundwaveError, match=next(iter(wrong))):
            Beams(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="sibeam-24"):
        Beams(codebook="sibeam-25")
