"""The scene ism-band: what a record holds, its truth, its receiver, and what is refused."""

from typing import Any

import pytest
import torch

from groundwave.errors import GroundwaveError, UnknownNameError
from groundwave.scenes.ism_band import ISMBand
from groundwave.scenes.ism_emitters import EMITTERS

SMALL: dict[str, Any] = {"num_freqs": 128, "num_frames": 48, "num_per_block": 12, "bandwidth_mhz": (10, 45)}
SMALL["duration_s"] = 6e-3
QUIET: dict[str, Any] = {"spur_db": (-100, -100), "gain_steps": 0.0}


def small(**settings: Any) -> ISMBand:
    return ISMBand(**(SMALL | settings))


def test_by_default_a_record_is_256_by_256_cells_of_16_ms() -> None:
    scene = ISMBand(num_per_block=4)
    record = scene.block(0)
    assert record["spec"].shape == record["mask"].shape == (4, 256, 256)
    assert scene.classes == tuple(EMITTERS)
    duration_s = [65536 * max(1, round(16e-3 * float(r) / 65536)) / float(r) for r in record["sample_rate_hz"]]
    assert max(duration_s) < 0.021
    assert min(duration_s) > 0.012


def test_receivers_have_many_widths() -> None:
    rates = torch.cat([small(num_emitters=(0, 0)).block(b)["sample_rate_hz"] for b in range(6)]) / 1e6
    assert float(rates.min()) < 14
    assert float(rates.max()) > 40
    assert float(rates.median()) == pytest.approx(27.5, abs=6)
    torch.testing.assert_close(128 / rates, (128 / rates).round())


@pytest.mark.parametrize("name", EMITTERS)
def test_the_snr_is_that_of_the_spectrogram(name: str) -> None:
    scene = small(classes=(name,), num_emitters=(1, 2), emitter_snr_db=(15, 30), **QUIET)
    record = scene.block(0)
    measured = 10 * torch.log10((10 ** (record["spec"] / 10)).mean((1, 2)) - 1)
    heard = record["snr_db"] > -8
    error = (measured - record["snr_db"])[heard]
    assert int(heard.sum()) >= 4
    assert abs(float(error.mean())) < 0.1
    assert float(error.abs().max()) < 0.5


def test_masks_cover_what_is_heard_and_nothing_else() -> None:
    record = small(emitter_snr_db=(15, 30), **QUIET).block(0)
    occupied = record["mask"] > 0
    strong = record["spec"] > 12  # noise alone: one cell in 7 million
    assert float((strong & ~occupied).sum() / strong.sum()) < 0.01
    assert float((strong & ~occupied.roll(4, 1)).sum() / strong.sum()) > 0.02  # four cells too high
    level = 10 ** (record["spec"][~occupied] / 10)
    assert float(level.mean()) == pytest.approx(1.0, abs=0.05)


def test_each_class_is_seen_alike() -> None:
    mask = small(emitter_snr_db=(15, 30), num_emitters=(3, 3), num_per_block=16).block(0)["mask"]
    seen = [int((mask == label + 1).flatten(1).any(1).sum()) for label in range(len(EMITTERS))]
    assert min(seen) >= 2  # of 8 that were drawn


def test_the_receiver_adds_its_offset_and_its_gain_steps_to_no_ones_mask() -> None:
    silent = {"num_emitters": (0, 0)}
    record = small(**silent, spur_db=(20, 20), gain_steps=0.0).block(0)
    profile = 10 * torch.log10((10 ** (record["spec"] / 10)).mean((0, 2)))
    assert int(profile.argmax()) == 64
    assert float(profile[64]) == pytest.approx(20, abs=0.5)
    assert float(profile[:60].abs().max()) < 0.5
    assert not record["mask"].any()
    assert (record["snr_db"] == -torch.inf).all()
    stepped = small(**silent, spur_db=(-100, -100), gain_steps=1.0).block(0)["spec"]
    level = 10 * torch.log10((10 ** (stepped / 10)).mean(1))
    reach = level.amax(1) - level.amin(1)
    assert float((reach > 2.5).float().mean()) > 0.8
    still = small(**silent, **QUIET).block(0)["spec"]
    level = 10 * torch.log10((10 ** (still / 10)).mean(1))
    assert float((level.amax(1) - level.amin(1)).max()) < 2.5


@pytest.mark.parametrize(
    "settings",
    [
        {"classes": ()},
        {"classes": ("BLE", "BLE")},
        {"num_emitters": (2, 1)},
        {"emitter_snr_db": (10.0, 0.0)},
        {"bandwidth_mhz": (0.5, 20.0)},
        {"bandwidth_mhz": (70.0, 75.0)},
        {"duration_s": 0.0},
        {"delay_spread_s": (0.0, 1.0)},
        {"doppler_hz": -1.0},
        {"spur_db": (float("nan"), 1.0)},
        {"gain_steps": 1.5},
        {"num_freqs": 100},
        {"num_frames": 0},
        {"num_per_block": 0},
    ],
)
def test_settings_that_no_record_can_have_are_refused(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(GroundwaveError, match=name):
        small(**settings)


def test_unknown_emitters_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean"):
        small(classes=("Bluetoth",))
