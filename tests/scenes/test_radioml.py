"""The scene radioml: addressing, the SNR contract, and the published defects."""

import math
import re

import pytest
import torch

from groundwave.contracts import Scene
from groundwave.errors import GroundwaveError, UnknownNameError
from groundwave.scenes import SCENES, RadioML
from groundwave.scenes.channel import CLEAR, Channel
from groundwave.scenes.radioml import CLASSES
from groundwave.scenes.waveforms import WAVEFORMS
from groundwave.signal.noise import power
from groundwave.signal.spectrum import power_spectrum

VERSIONS = ("fixed", "as-published")


def assert_same(a, b):
    assert a.keys() == b.keys()
    for key in a:
        torch.testing.assert_close(a[key], b[key], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("num_samples", [128, 300])
def test_block_honours_the_contract(version, num_samples):
    scene = RadioML(version, num_samples=num_samples, records_per_cell=3)
    assert isinstance(scene, Scene)
    assert scene.num_per_block == 11 * 20 * 3
    record = scene.block(2)
    assert record["iq"].shape == (660, num_samples)
    assert record["iq"].dtype == torch.complex64
    assert {k: record[k].dtype for k in ("label", "group", "index")} == dict.fromkeys(
        ("label", "group", "index"), torch.int64
    )
    assert record["snr_db"].dtype == torch.float32
    assert bool(torch.view_as_real(record["iq"]).isfinite().all())
    torch.testing.assert_close(record["index"], 2 * 660 + torch.arange(660))


@pytest.mark.parametrize("version", VERSIONS)
def test_blocks_are_pure_functions_of_their_address(version):
    settings = {"snrs_db": (0, 10), "records_per_cell": 2}
    scene = RadioML(version, **settings)
    forward = [scene.block(b) for b in range(3)]
    other = RadioML(version, **settings)
    for b in (2, 0, 1):
        assert_same(other.block(b), forward[b])


@pytest.mark.parametrize("version", VERSIONS)
def test_threads_do_not_change_a_byte(version):
    scene, threads = RadioML(version, snrs_db=(0, 10), records_per_cell=3, num_samples=200), torch.get_num_threads()
    one = scene.block(0)
    try:
        torch.set_num_threads(3)
        assert_same(scene.block(0), one)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("version", VERSIONS)
def test_blocks_and_seeds_differ(version):
    def iq(seed, b):
        return RadioML(version, snrs_db=(10,), records_per_cell=1, seed=seed).block(b)["iq"]

    for one, another in ((iq(0, 0), iq(0, 1)), (iq(0, 0), iq(1, 0))):
        with pytest.raises(AssertionError):
            torch.testing.assert_close(one, another)


def test_a_modulation_that_is_added_stays_out_unless_it_is_named(monkeypatch):
    published = ["8PSK", "AM-DSB", "AM-SSB", "BPSK", "CPFSK", "GFSK", "PAM4", "QAM16", "QAM64", "QPSK", "WBFM"]
    monkeypatch.setitem(WAVEFORMS, "another", WAVEFORMS["BPSK"])
    assert list(RadioML().classes) == published
    assert RadioML(classes=("another",), snrs_db=(10,)).block(0)["iq"].shape == (10, 128)


def test_versions_differ():
    fixed, published = (RadioML(v, snrs_db=(10,), records_per_cell=1).block(0) for v in VERSIONS)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(fixed["iq"], published["iq"])
    assert "true_snr_db" in published
    assert "true_snr_db" not in fixed


@pytest.mark.parametrize("version", VERSIONS)
def test_every_stretch_holds_each_class_at_each_snr_once(version):
    scene = RadioML(version, records_per_cell=3)
    record = scene.block(0)
    cell = (record["label"] * 1000 + record["snr_db"].long()).reshape(3, 220)
    for stretch in cell:
        assert len(stretch.unique()) == 220
    torch.testing.assert_close(record["label"].reshape(60, 11).sort(1).values, torch.arange(11).expand(60, -1))


@pytest.mark.parametrize("version", VERSIONS)
def test_groups_never_cross_blocks(version):
    scene = RadioML(version, snrs_db=(0,), records_per_cell=40)
    one, another = set(scene.block(0)["group"].tolist()), set(scene.block(1)["group"].tolist())
    assert not one & another


@pytest.mark.parametrize("num_samples", [128, 1024])
def test_snr_label_is_the_measured_ratio_for_every_class(num_samples):
    scene = RadioML(num_samples=num_samples, records_per_cell=20 if num_samples == 128 else 5)
    clean, noise = scene.clean_and_noise(0)
    record = scene.block(0)
    for label, name in enumerate(CLASSES):
        rows = record["label"] == label
        # powers are averaged before the logarithm, whose mean would be biased for short records
        ratio = (power(noise[rows]) / power(clean[rows]) * 10 ** (record["snr_db"][rows] / 10)).mean()
        assert abs(10 * torch.log10(ratio)) < 0.1, name


def test_contract_catches_a_noise_amplitude_with_the_published_slip():
    scene = RadioML("as-published", classes=("BPSK",), snrs_db=(-20,))
    assert abs(float(scene.block(0)["true_snr_db"].mean()) + 20) > 10


def test_fixed_records_have_unit_power_and_groups_of_their_own():
    record = RadioML(records_per_cell=2).block(0)
    torch.testing.assert_close(power(record["iq"]), torch.ones(440))
    assert len(record["group"].unique()) == 440


def test_fixed_records_have_channels_of_their_own():
    clean, _ = RadioML(classes=("AM-DSB",), snrs_db=(0,), records_per_cell=300).clean_and_noise(0)
    gain = clean.mean(-1)
    assert float(gain.abs().std() / gain.abs().mean()) > 0.2
    assert float((gain / gain.abs()).mean().abs()) < 0.2  # phases all round the circle


def test_fixed_single_sideband_has_one_sideband():
    clean, _ = RadioML(classes=("AM-SSB",), snrs_db=(0,), records_per_cell=100, num_samples=2048).clean_and_noise(0)
    spectrum = power_spectrum(clean, 256).mean(0)
    assert float(spectrum[131:].sum() / spectrum[:126].sum()) > 20


def test_fixed_symbol_timing_is_random():
    scene = RadioML(classes=("BPSK",), snrs_db=(100,), records_per_cell=200, num_samples=1024, channel=CLEAR)
    envelope = scene.block(0)["iq"].abs().square()
    # the envelope's line at the symbol rate has the phase of the timing
    clock = (envelope * torch.exp(-2j * torch.pi * torch.arange(1024) / 8)).mean(-1)
    assert float((clock / clock.abs()).mean().abs()) < 0.2


@pytest.fixture(scope="module")
def published():
    return RadioML("as-published", records_per_cell=36).block(0)


def test_published_records_are_normalised_by_the_sum_of_magnitudes(published):
    torch.testing.assert_close(published["iq"].abs().sum(-1), torch.ones(len(published["iq"])))
    spread = torch.view_as_real(published["iq"]).std()
    torch.testing.assert_close(spread, torch.tensor(0.006), atol=0.0005, rtol=0)


def test_published_snr_is_twice_the_label_and_some(published):
    for label, name in enumerate(CLASSES):
        rows = published["label"] == label
        excess = (published["true_snr_db"] - 2 * published["snr_db"])[rows]
        if name == "AM-SSB":
            assert bool((excess == -torch.inf).all())
        else:
            assert 3.7 < float(excess.mean()) < 5.2, name  # the published seed's gain


def slope(record, label):
    """Fit true_snr_db = slope * snr_db + offset over the records of a class."""
    rows = record["label"] == label
    labels = torch.stack([record["snr_db"][rows], torch.ones(int(rows.sum()))], 1)
    return torch.linalg.lstsq(labels, record["true_snr_db"][rows][:, None]).solution[0].item()


def test_published_snr_doubles_the_label(published):
    assert slope(published, CLASSES.index("BPSK")) == pytest.approx(2.0, abs=0.01)
    right = {
        **published,
        "true_snr_db": published["true_snr_db"] - published["snr_db"],
    }  # an amplitude without the slip
    assert slope(right, CLASSES.index("BPSK")) != pytest.approx(2.0, abs=0.01)


def test_published_noise_has_the_published_amplitude():
    _, noise = RadioML("as-published", classes=("BPSK",), snrs_db=(-10, 0, 10), records_per_cell=36).clean_and_noise(0)
    label = RadioML("as-published", classes=("BPSK",), snrs_db=(-10, 0, 10), records_per_cell=36).block(0)["snr_db"]
    for snr_db in (-10, 0, 10):
        drawn = power(noise[label == snr_db]).mean()
        torch.testing.assert_close(drawn, torch.tensor(10 ** (-snr_db / 5)), rtol=0.05, atol=0)


def test_published_windows_share_few_passes(published):
    per_cell = len(published["group"].unique()) / 220
    assert 1 < per_cell < 3


def test_published_channel_is_the_same_for_every_seed():
    settings = {"classes": ("AM-DSB",), "snrs_db": (100,), "records_per_cell": 60, "version": "as-published"}
    gains = [RadioML(seed=seed, **settings).clean_and_noise(0)[0].abs().mean() for seed in (0, 1)]
    torch.testing.assert_close(*gains, rtol=0.05, atol=0)


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"version": "fxied"}, "fixed"),
        ({"classes": ("QPKS",)}, "QPSK"),
        ({"classes": ()}, "correct classes"),
        ({"classes": ("QPSK", "QPSK")}, "each once"),
        ({"snrs_db": ()}, "correct snrs_db"),
        ({"snrs_db": (0.0, math.nan)}, "finite"),
        ({"snrs_db": (math.inf,)}, "finite"),
        ({"num_samples": 0}, "correct num_samples"),
        ({"records_per_cell": 0}, "correct records_per_cell"),
        ({"samples_per_symbol": 1}, "correct samples_per_symbol"),
        ({"channel": Channel(doppler=-1e-6)}, "channel.doppler"),
        ({"channel": Channel(doppler=math.nan)}, "channel.doppler"),
        ({"channel": Channel(sample_rate_hz=0.0)}, "channel.sample_rate_hz"),
        ({"channel": Channel(sample_rate_hz=-1.0)}, "channel.sample_rate_hz"),
        ({"channel": Channel(sro_max_hz=1e4)}, "a thousandth"),
        ({"channel": Channel(cfo_max_hz=math.inf)}, "channel.cfo_max_hz"),
        ({"channel": Channel(step_hz=-0.1)}, "channel.step_hz"),
        ({"channel": Channel(rician_k=-1.0)}, "channel.rician_k"),
        ({"channel": Channel(delays=(), path_gains=())}, "channel.delays"),
        ({"channel": Channel(delays=(0.0, 9.0, 1.0))}, "num_taps - 1 = 7"),
        ({"channel": Channel(delays=(0.0, 1.0))}, "each of 2 delays"),
        ({"channel": Channel(path_gains=(0.0, 0.0, 0.0))}, "not all zero"),
        ({"channel": Channel(num_taps=0)}, "channel.num_taps"),
    ],
)
def test_mistakes_are_told_with_their_remedy(settings, remedy):
    with pytest.raises(GroundwaveError, match=re.escape(remedy)):
        RadioML(**settings)


def test_records_longer_than_a_published_pass_are_refused():
    scene = RadioML("as-published", num_samples=20_000, classes=("8PSK",), snrs_db=(0,), records_per_cell=1)
    with pytest.raises(GroundwaveError, match="lower num_samples"):
        scene.block(0)


def test_table_builds_the_scene():
    assert SCENES["radioml"](num_samples=64, records_per_cell=1).block(0)["iq"].shape == (220, 64)
    with pytest.raises(UnknownNameError):
        SCENES["radioml"](version="nonsense")
