"""The scene of all waveforms: its labels are true, its knobs do what they say, its mistakes are told."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from groundwave.contracts import Record
from groundwave.errors import GroundwaveError
from groundwave.scenes.domain import Domain
from groundwave.scenes.interferers import INTERFERERS
from groundwave.scenes.modulations import ALIASES, Modulations
from groundwave.scenes.waveforms import WAVEFORMS
from groundwave.signal.noise import power
from groundwave.signal.spectrum import occupied_bandwidth, spectral_centroid

HARD = Domain(num_devices=4, environment="TDL-A", doppler_hz=200.0)
LAB, CHEAP = (replace(HARD, num_devices=20, grade=grade) for grade in ("lab", "cheap"))


def label_errors(scene: Modulations, num_blocks: int = 3) -> Tensor:
    """Return label minus measured SNR in dB `[classes]`, averaged over records.

    Measured on the finished records: each is a clean part, a noise part and a constant, found by least squares.
    """
    errors = torch.zeros(len(scene.classes), dtype=torch.double)
    for b in range(num_blocks):
        record, (clean, noise) = scene.block(b), scene.clean_and_noise(b)
        parts = torch.stack([clean, noise, torch.ones_like(clean)], -1).to(torch.complex128)
        share = torch.linalg.lstsq(parts, record["iq"].to(torch.complex128)[..., None]).solution[..., 0].abs()
        measured = 20 * (share[:, 0] / share[:, 1]).log10() + 10 * (power(clean) / power(noise)).log10()
        errors.index_add_(0, record["label"], (record["snr_db"] - measured) / scene.records_per_class)
    return errors.abs() / num_blocks


@pytest.mark.parametrize(
    ("domain", "limit"), [(Domain(), 0.05), (LAB, 0.1), (CHEAP, 0.25)], ids=["ideal", "lab", "cheap"]
)
def test_the_label_is_the_measured_snr(domain: Domain, limit: float) -> None:
    assert label_errors(Modulations(domain=domain)).max() < limit


class OneDecibelOff(Modulations):
    """Says one decibel more than there is."""

    def block(self, b: int) -> Record:
        record = super().block(b)
        return {**record, "snr_db": record["snr_db"] + 1}


def slipped(x: Tensor, snr_db: Tensor) -> Tensor:
    """RadioML's slip: a power where an amplitude was meant."""
    return power(x) * 10 ** (-snr_db / 5)


def test_wrong_labels_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"classes": ("QPSK", "LoRa-SF7", "Pulse"), "domain": CHEAP}
    assert label_errors(OneDecibelOff(**settings)).min() > 0.7
    monkeypatch.setattr("groundwave.scenes.modulations.noise_power", slipped)
    assert label_errors(Modulations(**settings)).min() > 5


@pytest.mark.parametrize("name", INTERFERERS)
def test_interference_has_its_power_and_leaves_the_snr_alone(name: str) -> None:
    settings = {"classes": ("QPSK",), "snr_db": (40.0, 40.0)}
    clear = Modulations(**settings)
    jammed = Modulations(**settings, domain=Domain(interference=name, sir_db=(3.0, 3.0)), provenance=True)
    torch.testing.assert_close(
        power(clear.clean_and_noise(0)[0]), power(jammed.clean_and_noise(0)[0]), rtol=0.2, atol=0
    )
    record = jammed.block(0)
    clean, noise = jammed.clean_and_noise(0)
    gain = (clean.conj() * record["iq"]).sum(-1) / clean.abs().square().sum(-1)  # what is not the signal is the rest
    rest = power(record["iq"] / gain[:, None] - clean - noise)
    assert 10 * torch.log10(power(clean) / rest).median() == pytest.approx(3.0, abs=0.5)


def test_all_waveforms_but_second_names_are_classes() -> None:
    assert set(Modulations().classes) == set(WAVEFORMS) - set(ALIASES)
    assert len(Modulations().classes) >= 45


def test_no_class_is_told_by_its_level_or_its_centre() -> None:
    scene = Modulations(num_samples=512, snr_db=(30.0, 30.0))
    record = scene.block(0)
    torch.testing.assert_close(power(record["iq"]), torch.ones(scene.num_per_block))
    centre = spectral_centroid(record["iq"]).abs()
    assert centre.median() < 0.03


def test_what_is_sent_does_not_depend_on_the_other_classes() -> None:
    inf = float("inf")
    settings = {"num_samples": 64, "snr_db": (inf, inf)}
    some, more = (Modulations(classes=names, **settings) for names in (("QPSK",), ("BPSK", "QPSK")))
    alone, among = some.block(0), more.block(0)
    rows = {tuple(row.tolist()) for row in torch.view_as_real(among["iq"][among["label"] == 1]).flatten(1)}
    assert rows == {tuple(row.tolist()) for row in torch.view_as_real(alone["iq"]).flatten(1)}


def test_longer_symbols_make_narrower_records() -> None:
    def width(samples_per_symbol: int) -> torch.Tensor:
        scene = Modulations(classes=("QAM16",), samples_per_symbol=(samples_per_symbol,), snr_db=(60.0, 60.0))
        return occupied_bandwidth(scene.block(0)["iq"]).mean()

    torch.testing.assert_close(width(4) / width(16), torch.tensor(4.0), rtol=0.1, atol=0)


def test_no_noise_leaves_the_modulator_alone() -> None:
    inf = float("inf")
    record = Modulations(classes=("MSK",), snr_db=(inf, inf), max_offset=0.0).block(0)
    torch.testing.assert_close(record["iq"].abs(), torch.ones_like(record["iq"].abs()), atol=1e-4, rtol=0)


def test_provenance_tells_every_draw() -> None:
    scene = Modulations(classes=("QPSK",), num_samples=256, domain=HARD, provenance=True)
    record = scene.block(0)
    drawn = {key.removeprefix("drawn_") for key in record if key.startswith("drawn_")}
    assert {"samples_per_symbol", "start", "offset", "device", "ppm", "phase_rad", "path_gains"} <= drawn
    assert all(len(values) == scene.num_per_block for values in record.values())
    assert not any(key.startswith("drawn_") for key in Modulations(classes=("QPSK",)).block(0))


def test_the_group_is_the_device() -> None:
    record = Modulations(classes=("QPSK",), domain=Domain(num_devices=3), provenance=True).block(5)
    assert set(record["group"].tolist()) == {0, 1, 2}
    torch.testing.assert_close(record["group"], record["drawn_device"])


def test_other_radios_are_other_records_of_the_same_message() -> None:
    here, there = (
        Modulations(classes=("QPSK",), domain=Domain(num_devices=3, device_seed=seed)).block(0) for seed in (0, 1)
    )
    torch.testing.assert_close(here["snr_db"], there["snr_db"])
    with pytest.raises(AssertionError):
        torch.testing.assert_close(here["iq"], there["iq"])


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"classes": ("QPSK", "QQAM")}, "QQAM"),
        ({"classes": ("QPSK", "QPSK")}, "each once"),
        ({"classes": ()}, "at least one class"),
        ({"num_samples": 0}, "num_samples=0"),
        ({"snr_db": (10.0, 0.0)}, "snr_db"),
        ({"snr_db": (0.0, float("inf"))}, "snr_db"),
        ({"snr_db": (float("nan"), 0.0)}, "snr_db"),
        ({"samples_per_symbol": ()}, "samples_per_symbol"),
        ({"samples_per_symbol": (1,)}, "samples_per_symbol"),
        ({"max_offset": 0.7}, "max_offset"),
        ({"records_per_class": 0}, "records_per_class"),
        ({"device": "cuda:99"}, "device"),
        ({"device": "meta"}, "device"),
    ],
)
def test_settings_that_cannot_be_are_told(settings: dict[str, Any], word: str) -> None:
    with pytest.raises(GroundwaveError, match=word):
        Modulations(**settings)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"num_devices": -1}, "num_devices"),
        ({"num_devices": 1, "severity": -1.0}, "severity"),
        ({"num_devices": 1, "grade": "golden"}, "golden"),
        ({"environment": "TDL-Z"}, "TDL-Z"),
        ({"environment": "TDL-A", "delay_spread_s": -1.0}, "delay_spread_s"),
        ({"environment": "TDL-A", "doppler_hz": float("nan")}, "doppler_hz"),
        ({"environment": "TDL-A", "doppler_hz": 1.0, "doppler_spectrum": "round"}, "round"),
        ({"sample_rate_hz": 0.0}, "sample_rate_hz"),
        ({"severity": float("nan")}, "severity"),
        ({"grade": "golden"}, "golden"),
        ({"delay_spread_s": -1.0}, "delay_spread_s"),
        ({"doppler_hz": 300.0}, "name an environment"),
        ({"doppler_spectrum": "round"}, "round"),
        ({"interference": "thunder"}, "thunder"),
        ({"interference": "tone", "sir_db": (5.0, 1.0)}, "sir_db"),
    ],
)
def test_domains_that_cannot_be_are_told(settings: dict[str, Any], word: str) -> None:
    with pytest.raises(GroundwaveError, match=word):
        Domain(**settings)
