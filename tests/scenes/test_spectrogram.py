"""The scene spectrogram: what a record holds, how emitters use time and band, and what is refused."""

from typing import Any

import pytest
import torch

from groundwave.errors import GroundwaveError, UnknownNameError
from groundwave.scenes.emitters import ACTIVITIES
from groundwave.scenes.spectrogram import CLASSES, Spectrogram
from groundwave.scenes.waveforms import WAVEFORMS
from groundwave.signal.spectrum import spectrogram_db

SMALL: dict[str, Any] = {"num_freqs": 64, "num_frames": 32, "bandwidth": (1 / 32, 1 / 8), "num_per_block": 16}


def small(**settings: Any) -> Spectrogram:
    return Spectrogram(**(SMALL | settings))


def test_by_default_a_record_is_256_by_256_cells_of_any_waveform() -> None:
    scene = Spectrogram(num_per_block=2)
    record = scene.block(0)
    assert record["spec"].shape == record["mask"].shape == (2, 256, 256)
    assert set(scene.classes) < set(WAVEFORMS)
    assert len(CLASSES) >= 11


@pytest.mark.parametrize("hop", [16, 32, 64])
def test_spec_is_the_spectrogram_of_the_iq(hop: int) -> None:
    scene = small(hop=hop, with_iq=True)
    record = scene.block(0)
    assert record["iq"].shape == (16, 64 + 31 * hop)
    torch.testing.assert_close(record["spec"], spectrogram_db(record["iq"], 64, hop))
    alone = small(hop=hop).block(0)
    assert record.keys() - alone.keys() == {"iq"}
    for key, values in alone.items():
        torch.testing.assert_close(record[key], values, rtol=0, atol=0, equal_nan=True)
    clean, noise = scene.clean_and_noise(0)
    torch.testing.assert_close(record["iq"], clean + noise)


def test_noise_alone_has_no_mask_and_no_box() -> None:
    record = small(num_emitters=(0, 0)).block(0)
    assert not record["mask"].any()
    assert record["boxes"].shape[1] == 0
    assert (record["snr_db"] == -torch.inf).all()
    level = 10 * torch.log10((10 ** (record["spec"] / 10)).mean())
    assert abs(float(level)) < 0.1


def test_boxes_are_padded_and_inside_the_record() -> None:
    scene = small(with_iq=True)
    record = scene.block(0)
    there = record["box_label"] >= 0
    for key in ("boxes", "box_snr_db"):
        finite = record[key].isfinite()
        torch.testing.assert_close(finite.all(-1) if finite.ndim == 3 else finite, there)
    torch.testing.assert_close(record["box_emitter"] >= 0, there)
    start, stop, low, high = record["boxes"][there].unbind(1)
    assert (start >= 0).all()
    assert (start < stop).all()
    assert (stop <= record["iq"].shape[1]).all()
    assert (low >= -0.5).all()
    assert (low < high).all()
    assert (high <= 0.5).all()
    snr_db = record["box_snr_db"][there]
    assert (snr_db >= 0).all()
    assert (snr_db <= 30).all()


def test_emitters_apart_do_not_meet_and_others_do() -> None:
    def num_meetings(overlap: bool) -> int:
        settings = {"classes": ("QPSK", "LTE-5"), "num_emitters": (6, 6), "activities": ("burst", "periodic")}
        record = small(**settings, overlap=overlap).block(0)
        start, stop, low, high = record["boxes"].unbind(-1)
        other = record["box_emitter"][:, :, None] != record["box_emitter"][:, None]
        in_time = (start[:, :, None] < stop[:, None]) & (start[:, None] < stop[:, :, None])
        in_band = (low[:, :, None] < high[:, None]) & (low[:, None] < high[:, :, None])
        return int((other & in_time & in_band).sum())

    assert num_meetings(overlap=False) == 0
    assert num_meetings(overlap=True) > 10


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_activities_use_time_and_band_as_they_say(activity: str) -> None:
    scene = small(classes=("QPSK",), num_emitters=(1, 1), activities=(activity,), num_frames=128, duration=(0.8, 1.0))
    record = scene.block(0)
    boxes = record["boxes"]
    num_boxes = (record["box_label"] >= 0).sum(1)
    middle = boxes[..., 2:].mean(-1)
    spread = middle.nan_to_num(-1).amax(1) - middle.nan_to_num(1).amin(1)
    share = (boxes[..., 1] - boxes[..., 0]).nansum(1) / scene.grid.num_samples
    assert (num_boxes >= 1).all()
    if activity == "continuous":
        assert (share > 0.98).all()
    if activity in ("continuous", "burst"):
        assert (num_boxes == 1).all()
    if activity == "periodic":
        assert int(num_boxes.max()) > 2
        assert (share < 0.75).all()
    assert (spread.max() > 0.03) == (activity == "hopping")


def test_each_class_comes_before_any_again() -> None:
    scene = small(classes=("QPSK", "GFSK", "WBFM", "AM-DSB"), num_emitters=(1, 1), num_per_block=40, overlap=True)
    counts = scene.block(0)["box_label"][:, 0].bincount(minlength=4)
    torch.testing.assert_close(counts, torch.full((4,), 10))


@pytest.mark.parametrize("name", ["ADS-B", "BLE", "Frank64", "Pulse"])
def test_no_burst_falls_between_packets_or_pulses(name: str) -> None:
    scene = small(classes=(name,), num_emitters=(1, 1), activities=("burst",), duration=(0.05, 0.9), num_frames=128)
    record = scene.block(0)
    assert (record["box_label"][:, 0] == 0).all()
    assert (record["mask"] == 1).flatten(1).any(1).all()


def test_a_wide_emitter_fills_the_band() -> None:
    record = small(classes=("QPSK",), num_emitters=(1, 1), activities=("continuous",), bandwidth=(0.9, 1.0)).block(0)
    assert float((record["mask"] > 0).float().mean()) > 0.9


def test_one_frame_is_enough() -> None:
    record = small(num_frames=1).block(0)
    assert record["spec"].shape == (16, 64, 1)
    assert record["spec"].isfinite().all()


@pytest.mark.parametrize(
    "settings",
    [
        {"classes": ()},
        {"classes": ("QPSK", "QPSK")},
        {"activities": ()},
        {"num_freqs": 100},
        {"num_freqs": 8},
        {"num_frames": 0},
        {"hop": 0},
        {"hop": 24},
        {"hop": 128},
        {"hop": 4},
        {"num_emitters": (-1, 2)},
        {"num_emitters": (3, 2)},
        {"num_per_block": 0},
        {"bandwidth": (0.0, 0.1)},
        {"bandwidth": (0.2, 0.1)},
        {"bandwidth": (0.1, 1.5)},
        {"duration": (-0.1, 0.5)},
        {"duration": (0.5, 2.0)},
        {"emitter_snr_db": (float("nan"), 10.0)},
        {"emitter_snr_db": (0.0, float("nan"))},
        {"emitter_snr_db": (0.0, float("inf"))},
        {"emitter_snr_db": (10.0, 0.0)},
    ],
)
def test_settings_that_no_record_can_have_are_refused(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(GroundwaveError, match=name):
        small(**settings)


@pytest.mark.parametrize(
    "settings", [{"doppler_hz": float("nan")}, {"doppler_hz": 5e6}, {"delay_spread_s": -1.0}, {"sample_rate_hz": 0.0}]
)
def test_channels_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(GroundwaveError, match=name):
        small(environment="TDL-A", **settings)


@pytest.mark.parametrize("settings", [{"classes": ("QPKS",)}, {"activities": ("hoping",)}, {"environment": "TDL-a"}])
def test_unknown_names_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UnknownNameError, match="did you mean"):
        small(**settings)
