"""Recordings of bursts: the truth about each burst is true."""

import itertools

import pytest
import torch

from groundwave.errors import GroundwaveError
from groundwave.scenes.bursts import Bursts
from groundwave.scenes.channel import Channel
from groundwave.signal.noise import power


@pytest.fixture(scope="module")
def scene():
    return Bursts(duration_s=3.0, num_bursts=11, burst_s=(0.02, 0.1), gap_s=0.01, seed=4)


@pytest.fixture(scope="module")
def recording(scene):
    return scene.recording(0)


def test_bursts_lie_inside_in_order_and_apart(scene, recording):
    iq, bursts = recording
    assert iq.shape == (600_000,)
    end = 0
    for burst in bursts:
        assert burst.start - end >= 2000
        assert 4000 <= burst.count <= 20_000
        end = burst.start + burst.count
    assert end + 2000 <= len(iq)


def test_each_class_appears_before_any_repeats(scene, recording):
    assert sorted(burst.modulation for burst in recording[1]) == sorted(scene.classes)
    assert all(scene.classes[burst.label] == burst.modulation for burst in recording[1])


def test_snr_is_true_over_the_burst(recording):
    iq, bursts = recording
    gaps = torch.cat([iq[a.start + a.count : b.start] for a, b in itertools.pairwise(bursts)])
    floor = power(gaps)
    for burst in bursts:
        ratio = power(iq[burst.start : burst.start + burst.count]) / floor - 1
        assert float(10 * torch.log10(ratio)) == pytest.approx(burst.snr_db, abs=0.3)


def test_samples_stay_inside_full_scale(recording):
    assert float(torch.view_as_real(recording[0]).abs().max()) == pytest.approx(0.9, abs=1e-4)


def test_recordings_are_pure_functions_of_their_address(scene, recording):
    again, bursts = scene.recording(0)
    torch.testing.assert_close(again, recording[0], rtol=0, atol=0)
    assert bursts == recording[1]
    assert scene.recording(1)[1] != bursts


def test_bursts_that_do_not_fit_are_refused():
    with pytest.raises(GroundwaveError, match="fewer or shorter bursts"):
        Bursts(duration_s=1.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("classes", ()),
        ("num_bursts", 0),
        ("gap_s", -0.1),
        ("samples_per_symbol", 0),
        ("burst_s", (1.5, 0.2)),
        ("burst_s", (-1.0, 0.2)),
        ("burst_s", (0.0, 0.2)),
        ("snr_db", (25.0, 5.0)),
        ("sample_rate_hz", 0.0),
        ("duration_s", float("nan")),
        ("channel.doppler", Channel(doppler=-1e-6)),
    ],
)
def test_settings_that_no_recording_can_have_are_refused(name, value):
    with pytest.raises(GroundwaveError, match=f"^got {name}=.*; correct {name}$"):
        Bursts(**{name.partition(".")[0]: value})
