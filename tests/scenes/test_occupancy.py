"""The scene occupancy: what a record holds, its truth, and what can be known of its future."""

from typing import Any

import pytest
import torch

from groundwave.errors import GroundwaveError, UnknownNameError
from groundwave.scenes.chains import PATTERNS
from groundwave.scenes.occupancy import Occupancy

SMALL: dict[str, Any] = {"num_freqs": 64, "num_frames": 128, "num_averaged": 2, "num_per_block": 20}


def small(**settings: Any) -> Occupancy:
    return Occupancy(**(SMALL | settings))


def test_by_default_a_record_is_128_cells_by_256_slots() -> None:
    record = Occupancy(num_per_block=2).block(0)
    assert record["spec"].shape == record["mask"].shape == (2, 128, 256)


@pytest.mark.parametrize("name", PATTERNS)
def test_the_snr_is_that_of_the_spectrogram(name: str) -> None:
    scene = small(classes=(name,), emitter_snr_db=(15, 30))
    record = scene.block(0)
    measured = 10 * torch.log10((10 ** (record["spec"] / 10)).mean((1, 2)) - 1)
    error = (measured - record["snr_db"])[record["snr_db"] > -8]
    assert abs(float(error.mean())) < 0.1
    assert float(error.abs().max()) < 0.5


def test_masks_cover_what_is_heard_and_nothing_else() -> None:
    scene = small(emitter_snr_db=(15, 25))
    record, power = scene.block(0), scene.noise_free(0)
    occupied = record["mask"] > 0
    assert float((power * occupied).sum() / power.sum()) > 0.99
    assert float((power * occupied.roll(2, 2)).sum() / power.sum()) < 0.9  # two slots late
    level = 10 ** (record["spec"][~occupied] / 10)
    assert float(level.mean()) == pytest.approx(1.0, abs=0.05)


def accuracy(guess: torch.Tensor, truth: torch.Tensor, used: torch.Tensor) -> float:
    return float(((guess > 0.5) == truth)[used].float().mean())


def test_the_oracle_beats_persistence_is_calibrated_and_does_not_know_all() -> None:
    scene, past = small(num_per_block=40, emitter_snr_db=(15, 30)), 64
    record, oracle = scene.block(0), scene.forecast(0, past)
    assert oracle.shape == (40, 64, 64)
    occupied = record["mask"] > 0
    truth = occupied[..., past:]
    used = occupied.any(2, keepdim=True).expand_as(truth)
    last = occupied[..., past - 1 : past].expand_as(truth).float()
    best, persistence = accuracy(oracle, truth, used), accuracy(last, truth, used)
    assert 0.85 < best < 0.97
    assert best > persistence + 0.15
    assert accuracy(oracle[..., :1], truth[..., :1], used[..., :1]) > 0.95
    assert accuracy(oracle.roll(3, 2), truth, used) < best - 0.05  # three slots late
    for low, high in ((0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.01)):
        there = (oracle >= low) & (oracle < high)
        assert float(truth[there].float().mean()) == pytest.approx(float(oracle[there].mean()), abs=0.12)


def test_chances_are_no_more_than_certain() -> None:
    """Shares of a channel that is surely on once added up to a little more than one, and no score could be taken."""
    scene = Occupancy(num_freqs=64, num_averaged=4, num_frames=176, seed=2411)
    chances = torch.stack([scene.forecast(b, 128) for b in range(21)])
    assert 0 <= float(chances.min()) < float(chances.max()) == 1


def test_forecasts_need_something_to_see_and_something_to_foretell() -> None:
    scene = small(num_per_block=2)
    assert scene.forecast(0, 127).shape == (2, 64, 1)
    for num_past in (0, 128):
        with pytest.raises(GroundwaveError, match="num_past"):
            scene.forecast(0, num_past)


def test_channels_do_not_meet() -> None:
    record = small(emitter_snr_db=(10, 10), num_emitters=(3, 3)).block(0)
    for mask in record["mask"]:
        of_row = [set(row.unique().tolist()) - {0} for row in mask]
        assert max(map(len, of_row)) <= 1  # a row of cells is one emitter's


@pytest.mark.parametrize(
    "settings",
    [
        {"classes": ()},
        {"classes": ("TDMA", "TDMA")},
        {"num_emitters": (0, 2)},
        {"num_emitters": (3, 2)},
        {"emitter_snr_db": (float("nan"), 2.0)},
        {"num_freqs": 32},
        {"num_freqs": 100},
        {"num_frames": 0},
        {"num_averaged": 0},
        {"num_per_block": 0},
    ],
)
def test_settings_that_no_record_can_have_are_refused(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(GroundwaveError, match=name):
        small(**settings)


def test_unknown_patterns_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean"):
        small(classes=("beacons",))
