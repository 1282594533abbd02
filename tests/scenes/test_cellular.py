"""The scene cellular: what a record holds, its truth, its SNR, and what is refused."""

from typing import Any

import pytest
import torch

from groundwave.errors import GroundwaveError, UnknownNameError
from groundwave.scenes.cellular import CLASSES, Cellular

SMALL: dict[str, Any] = {"num_freqs": 64, "num_frames": 48, "num_averaged": 16, "num_per_block": 14}
CLEAR: dict[str, Any] = {"environments": ("none",), "idle": (0.0, 0.0), "load": (1.0, 1.0), "tdd": 0.0}


def small(**settings: Any) -> Cellular:
    return Cellular(**(SMALL | settings))


def test_by_default_a_record_is_256_by_256_cells_of_four_radio_frames() -> None:
    scene = Cellular(num_per_block=1)
    record = scene.block(0)
    assert record["spec"].shape == record["mask"].shape == (1, 256, 256)
    assert scene.screen.num_samples / scene.sample_rate_hz == pytest.approx(0.04, rel=0.02)
    assert scene.classes == ("NR", "LTE")


def test_all_mixtures_come_equally_often_and_apart_in_frequency() -> None:
    record = small(classes=CLASSES).block(0)
    mixtures = [tuple(sorted(row[row >= 0].tolist())) for row in record["box_label"]]
    assert len(set(mixtures)) == 7
    assert all(mixtures.count(mixture) == 2 for mixture in mixtures)
    low, high = record["boxes"][..., 2].nan_to_num(9.0), record["boxes"][..., 3].nan_to_num(9.0)
    order = low.argsort(1)
    low, high = low.gather(1, order), high.gather(1, order)
    assert (low[:, 1:] >= high[:, :-1]).all()
    there = record["box_label"] >= 0
    assert (record["boxes"][there][:, 2] >= -0.5).all()
    assert (record["boxes"][there][:, 3] <= 0.5).all()
    assert len(record["boxes"][there][:, 2].unique()) == int(there.sum())


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("settings", [{}, CLEAR])
def test_the_snr_is_that_of_the_spectrogram(name: str, settings: dict[str, Any]) -> None:
    scene = small(classes=(name,), emitter_snr_db=(10, 30), **settings)
    record = scene.block(0)
    power = 10 ** (record["spec"] / 10)  # noise is 1 in each cell
    measured = 10 * torch.log10(power.mean((1, 2)) - 1)
    heard = record["snr_db"] > -10  # an idle carrier may leave nothing to measure
    error = (measured - record["snr_db"])[heard]
    assert int(heard.sum()) >= 10
    assert abs(float(error.mean())) < 0.1
    assert float(error.abs().max()) < 0.5
    torch.testing.assert_close(10 * torch.log10(scene.noise_free(0).mean((1, 2))), record["snr_db"])


@pytest.mark.parametrize("name", ["NR", "LTE"])
def test_the_snr_of_a_loaded_carrier_is_that_of_its_cells(name: str) -> None:
    scene = small(classes=(name,), num_freqs=256, num_averaged=4, num_per_block=6, **CLEAR)
    record, power = scene.block(0), scene.noise_free(0)
    frequency = torch.arange(256) / 256 - 0.5
    for i in range(6):
        _, _, low, high = record["boxes"][i, 0].tolist()
        inside = (frequency > low + 0.02) & (frequency < high - 0.02)
        level = 10 * torch.log10(power[i][inside].mean())
        assert float(level) == pytest.approx(float(record["box_snr_db"][i, 0]), abs=0.3)
        share = float(power[i][(frequency > low) & (frequency < high)].sum() / power[i].sum())
        half = 0.5 * (high - low)
        moved = float(power[i][(frequency > low + half) & (frequency < high + half)].sum() / power[i].sum())
        assert share > 0.98
        assert moved < 0.6


def test_masks_cover_what_is_heard_and_nothing_else() -> None:
    scene = small(classes=CLASSES, emitter_snr_db=(15, 30))
    record, power = scene.block(0), scene.noise_free(0)
    occupied = record["mask"] > 0
    assert float((power * occupied).sum() / power.sum()) > 0.99
    strong = record["spec"] > 7  # the mean of 16 windows of noise: never in a million cells
    assert float((strong & ~occupied).sum() / strong.sum()) < 0.01
    level = 10 ** (record["spec"][~occupied] / 10)
    assert float(level.mean()) == pytest.approx(1.0, abs=0.05)
    assert float((power * occupied.roll(3, 1)).sum() / power.sum()) < 0.97  # three cells too high


def test_each_cell_is_of_the_class_whose_channel_it_lies_in() -> None:
    record = small(classes=CLASSES, truth="channels").block(0)
    cells = small(classes=CLASSES).block(0)
    torch.testing.assert_close(record["spec"], cells["spec"], rtol=0, atol=0)
    assert (record["mask"] == record["mask"][:, :, :1]).all()
    both = (record["mask"] > 0) & (cells["mask"] > 0)
    assert float((record["mask"] == cells["mask"])[both].float().mean()) > 0.999
    widths = (record["mask"][:, :, 0] > 0).sum(1) / 64
    expected = (record["boxes"][..., 3] - record["boxes"][..., 2]).nansum(1)
    torch.testing.assert_close(widths, expected, rtol=0, atol=3 / 64)


def test_idle_cells_are_noise_but_for_what_is_broadcast() -> None:
    occupied = [float((small(idle=(s, s), tdd=0.0).block(0)["mask"] > 0).float().mean()) for s in (0.0, 0.5, 1.0)]
    assert occupied[0] > 1.3 * occupied[1] > 1.3 * occupied[2]


@pytest.mark.parametrize(
    "settings",
    [
        {"classes": ()},
        {"classes": ("NR", "NR")},
        {"environments": ()},
        {"emitter_snr_db": (10.0, 0.0)},
        {"emitter_snr_db": (0.0, float("nan"))},
        {"idle": (0.0, 1.5)},
        {"load": (-0.1, 0.5)},
        {"tdd": 2.0},
        {"doppler_hz": (0.0, 1e5)},
        {"delay_spread_s": (0.0, 1.0)},
        {"truth": "boxes"},
        {"sample_rate_hz": 60e6},
        {"sample_rate_hz": 7.68e6},
        {"sample_rate_hz": 0.0},
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


@pytest.mark.parametrize("settings", [{"classes": ("5G",)}, {"environments": ("TDL-a",)}])
def test_unknown_names_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UnknownNameError):
        small(**settings)
