"""The scene rml22: its SNR contract, its transmitters, its channel and its doors."""

import math

import numpy as np
import pytest
import torch
from scipy.special import j0

from groundwave.errors import GroundwaveError
from groundwave.rng import generator
from groundwave.scenes.rml22 import _GFSK_RAD_PER_SAMPLE, CLASSES, RML22, SYMBOL_S, Crystal
from groundwave.signal.filters import sample_at
from groundwave.signal.impair import apply_phase
from groundwave.signal.multipath import draw_paths, propagate
from groundwave.signal.noise import power

QUIET = Crystal(max_error_hz=1e-9, step_hz=0.0)


def test_published_settings():
    scene = RML22()
    assert scene.num_per_block == 10 * 21 * 10
    assert scene.air.sample_rate_hz == pytest.approx(29_998.5)
    record = scene.block(1)
    assert record["iq"].shape == (2100, 128)
    assert "AM-SSB" not in scene.classes
    assert sorted(record["snr_db"].unique().tolist()) == list(range(-20, 21, 2))
    torch.testing.assert_close(record["iq"].abs().sum(-1), torch.ones(2100))
    assert len(record["group"].unique()) == 2100


def test_unit_power_is_a_choice():
    one, another = (RML22(normalisation=n, snrs_db=(0,), records_per_cell=2).block(0) for n in ("power", "magnitudes"))
    torch.testing.assert_close(power(one["iq"]), torch.ones(20))
    torch.testing.assert_close(one["iq"] / one["iq"].abs().sum(-1, keepdim=True), another["iq"])


@pytest.mark.parametrize("num_samples", [128, 600])
def test_snr_label_is_the_measured_ratio_for_every_class(num_samples):
    scene = RML22(num_samples=num_samples, records_per_cell=20 if num_samples == 128 else 5)
    clean, noise = scene.clean_and_noise(0)
    record = scene.block(0)

    def excess_db(rows: torch.Tensor, label_db: torch.Tensor) -> float:
        return abs(float(10 * torch.log10((power(noise[rows]) / power(clean[rows]) * 10 ** (label_db / 10)).mean())))

    for label, name in enumerate(CLASSES):
        rows = record["label"] == label
        assert excess_db(rows, record["snr_db"][rows]) < 0.1, name
        assert excess_db(rows, record["snr_db"][rows] + 0.2) > 0.1, name


def sent(name: str, **settings) -> torch.Tensor:
    scene = RML22(classes=(name,), snrs_db=(0,), records_per_cell=50, **settings)
    return scene._sent(name, 400, generator(0, "sent", name))


def test_gfsk_turns_by_the_published_sensitivity():
    """Within a long run of equal bits the frequency settles at 1.57 rad per sample, index 1 at two per symbol."""
    step = (sent("GFSK")[:, 1:] * sent("GFSK")[:, :-1].conj()).angle().abs()
    assert float(step.quantile(0.98)) == pytest.approx(_GFSK_RAD_PER_SAMPLE, abs=0.01)


def test_cpfsk_has_index_one_half():
    step = (sent("CPFSK")[:, 1:] * sent("CPFSK")[:, :-1].conj()).angle().abs()
    torch.testing.assert_close(step, torch.full_like(step, math.pi / 4), atol=1e-3, rtol=0)


def test_linear_modulations_fill_the_band_up_to_the_rolloff():
    spectrum = torch.fft.fft(sent("QPSK")).abs().square().mean(0)
    frequency = torch.fft.fftfreq(400).abs()
    assert float(spectrum[frequency > 1.4 * 1.35 / 4].sum() / spectrum.sum()) < 0.003
    assert float(spectrum[frequency < 0.65 / 4].mean() / spectrum.mean()) == pytest.approx(2.0, rel=0.15)


def test_broadcast_fm_wraps_round_the_band():
    step = (sent("WBFM")[:, 1:] * sent("WBFM")[:, :-1].conj()).angle().abs()
    assert 0.2 < float((step > math.pi / 2).float().mean()) < 0.6


@pytest.fixture(scope="module")
def faded():
    """The carrier of AM through the fading alone, at unit mean power."""
    scene = RML22(classes=("AM-DSB",), snrs_db=(0,), records_per_cell=1500, num_samples=300, crystal=QUIET)
    ones = torch.ones(1500, 400, dtype=torch.complex64)
    scene._sent = lambda *_: ones
    return scene.clean_and_noise(0)[0]


def test_fading_is_rayleigh_of_unit_power(faded):
    envelope = faded[:, 0].abs().square()
    assert float(envelope.mean()) == pytest.approx(1.0, abs=0.08)
    assert float(envelope.square().mean() / envelope.mean() ** 2) == pytest.approx(2.0, abs=0.25)  # 1.36 for K = 4


def autocorrelation(h: torch.Tensor, lags: np.ndarray) -> np.ndarray:
    return np.array([float((h[:, lag:] * h[:, : h.shape[1] - lag].conj()).mean().real) for lag in lags])


def test_fading_moves_within_the_record_at_70_hertz(faded):
    lags = np.arange(0, 250, 25)
    measured = autocorrelation(faded, lags) / float(faded.abs().square().mean())
    np.testing.assert_allclose(measured, j0(2 * math.pi * 70 * SYMBOL_S / 2 * lags), atol=0.06)
    with np.testing.assert_raises(AssertionError):  # ETU300 must show
        np.testing.assert_allclose(measured, j0(2 * math.pi * 300 * SYMBOL_S / 2 * lags), atol=0.06)


def test_crystal_moves_carrier_and_clock_alike():
    rate, crystal = 2 / SYMBOL_S, Crystal()
    clocks = crystal.draw(4000, 200, rate, 2.0, generator(0, "crystal"))
    hertz = clocks.frequency * rate
    assert 490 < float(hertz.abs().max()) <= 500
    assert float(hertz.std()) == pytest.approx(500 / math.sqrt(3), rel=0.05)
    torch.testing.assert_close(clocks.drift, hertz / crystal.carrier_hz)
    change = (hertz[:, -1] - hertz[:, 0]).std()
    assert float(change) == pytest.approx(0.01 * math.sqrt(200), rel=0.05)  # 1e-4 Hz per sample at 10 MHz, times 100


def test_order_is_clock_then_fading_then_carrier():
    scene, draw = RML22(classes=("QPSK",), snrs_db=(0,), records_per_cell=8), generator(0, "order")
    rate, num_faded = scene.air.sample_rate_hz, 128 + scene.margin
    clocks = scene.crystal.draw(8, num_faded, rate, 2.0, draw)
    paths = draw_paths(scene.profile, 8, 128, sample_rate_hz=rate, doppler_hz=70.0, generator=draw)
    x = scene._sent("QPSK", num_faded + 20, draw)[:8]
    read = sample_at(x, torch.arange(num_faded) + clocks.offset())
    phase = clocks.phase_rad()
    passed = scene._passed(x, clocks, paths)
    torch.testing.assert_close(passed, apply_phase(propagate(read, paths), phase[:, -128:]), atol=1e-4, rtol=0)
    with pytest.raises(AssertionError):  # a transmitter's offset, before the fading
        torch.testing.assert_close(passed, propagate(apply_phase(read, phase), paths), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"classes": ("QPKS",)}, "QPSK"),
        ({"classes": ()}, "correct classes"),
        ({"snrs_db": (math.nan,)}, "finite"),
        ({"snrs_db": (math.inf,)}, "finite"),
        ({"num_samples": 0}, "correct num_samples"),
        ({"records_per_cell": 0}, "correct records_per_cell"),
        ({"samples_per_symbol": 0}, "correct samples_per_symbol"),
        ({"doppler_hz": -70.0}, "correct doppler_hz"),
        ({"doppler_hz": math.nan}, "correct doppler_hz"),
        ({"doppler_hz": 20e3}, "half the sample rate"),
        ({"normalisation": "peak"}, "magnitudes"),
        ({"profile": "ETV"}, "ETU"),
        ({"profile": "TDL-A"}, "in seconds"),
        ({"crystal": Crystal(frequency_hz=0.0)}, "crystal.frequency_hz"),
        ({"crystal": Crystal(max_error_hz=math.nan)}, "crystal.max_error_hz"),
        ({"crystal": Crystal(step_hz=-1.0)}, "crystal.step_hz"),
        ({"crystal": Crystal(carrier_hz=math.inf)}, "crystal.carrier_hz"),
    ],
)
def test_mistakes_are_told_with_their_remedy(settings, remedy):
    with pytest.raises(GroundwaveError, match=remedy):
        RML22(**settings)
