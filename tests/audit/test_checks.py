"""Each check finds the defect that was planted for it, and nothing in records without one."""

import math
from collections.abc import Callable

import planted
import pytest
import torch
from torch import Tensor

from groundwave.audit import CHECKS, Finding
from groundwave.rng import generator
from groundwave.signal.noise import awgn

Record = dict[str, Tensor]


def findings(check: str, record: Record) -> list[Finding]:
    return list(CHECKS[check](planted.sample(record)).findings)


def snr_off_by_3_db(record: Record) -> Record:
    return {**record, "snr_db": record["snr_db"] - 3}


def snr_of_half_decibels(record: Record) -> Record:
    return {**record, "snr_db": record["snr_db"] / 2}


def one_offset(record: Record) -> Record:
    """Turn each record back to the frequency at which its fourth power has its strongest line."""
    num_samples = record["iq"].shape[1]
    line = torch.fft.fft(record["iq"] ** 4, 16 * num_samples).abs().argmax(1, keepdim=True) / (16 * num_samples)
    cycles = ((line + 0.5) % 1 - 0.5) / 4 * torch.arange(num_samples)
    return {**record, "iq": record["iq"] * torch.exp(-2j * torch.pi * cycles)}


def one_phase(record: Record) -> Record:
    """Turn each record to the phase at which its fourth power is real: the same channel for all."""
    turn = -(record["iq"] ** 4).mean(-1).angle() / 4
    return {**record, "iq": record["iq"] * torch.polar(torch.ones_like(turn), turn)[:, None]}


def copied(shift: int, noise: float, mixed: bool = False) -> Callable[[Record], Record]:
    """Return what makes some strong records of a class turned, scaled, shifted and noisy copies of others."""

    def plant(record: Record) -> Record:
        iq, draw = record["iq"].clone(), generator(1, "copies")
        strong = ((record["snr_db"] == 16) & (record["label"] == 0)).nonzero()[:, 0]
        source, target = strong[:10], strong[10:20]
        if mixed:
            target = ((record["snr_db"] == 16) & (record["label"] == 1)).nonzero()[:10, 0]
        copy = iq[source].roll(shift, 1)
        copy[:, :shift] = iq[strong[20:30], :shift]
        copy += noise * torch.randn(copy.shape, dtype=torch.complex64, generator=draw)
        iq[target] = 0.3 * torch.exp(torch.tensor(1j)) * copy
        return {**record, "iq": iq}

    return plant


def louder_class(record: Record) -> Record:
    return {**record, "iq": record["iq"] * (1 + record["label"].float())[:, None]}


def shorter_class(record: Record) -> Record:
    iq = record["iq"].clone()
    iq[record["label"] == 1, 200:] = 0
    return {**record, "iq": iq}


def clipped(record: Record) -> Record:
    parts = torch.view_as_real(record["iq"]).clamp(-0.9, 0.9)
    return {**record, "iq": torch.view_as_complex(parts)}


def coarse(record: Record) -> Record:
    return {**record, "iq": torch.view_as_complex((torch.view_as_real(record["iq"]) * 2).round() / 2)}


def offset(record: Record) -> Record:
    return {**record, "iq": record["iq"] + (0.3 + 0.1j)}


def unbalanced(record: Record) -> Record:
    return {**record, "iq": torch.complex(1.2 * record["iq"].real, record["iq"].imag)}


def broken(record: Record) -> Record:
    iq = record["iq"].clone()
    iq[3, 7], iq[5], iq[6] = torch.nan, 0, 1
    return {**record, "iq": iq}


def whole_band(record: Record) -> Record:
    """Give one class a band that leaves 4 % free."""
    return {**record, "iq": torch.where(record["label"][:, None] == 1, _wide(record), record["iq"])}


def _wide(record: Record) -> Tensor:
    draw = generator(4, "wide")
    white = torch.randn(record["iq"].shape, dtype=torch.complex64, generator=draw)
    return awgn(planted.lowpass(white, 0.96), record["snr_db"], generator=draw)


PLANTS: dict[str, tuple[str, Callable[[Record], Record], str]] = {
    "SNR off by 3 dB": ("snr", snr_off_by_3_db, "constant"),
    "SNR twice its label": ("snr", snr_of_half_decibels, "for each dB"),
    "one offset": ("channel", one_offset, "same"),
    "one phase": ("channel", one_phase, "same"),
    "copies": ("duplicates", copied(0, 0.0), "another group"),
    "shifted copies": ("duplicates", copied(60, 0.0), "another group"),
    "copies under noise": ("duplicates", copied(0, 0.2), "another group"),
    "copies under another label": ("duplicates", copied(0, 0.0, mixed=True), "another label"),
    "level": ("pairs", louder_class, "level alone"),
    "length": ("pairs", shorter_class, "length alone"),
    "clipping": ("levels", clipped, "clipped"),
    "coarse steps": ("levels", coarse, "coarsely"),
    "DC": ("dc", offset, "zero frequency"),
    "I/Q imbalance": ("image", unbalanced, "not alike"),
    "broken records": ("sanity", broken, "not finite"),
    "full band": ("rate", whole_band, "edges"),
}


@pytest.fixture(scope="module")
def sound() -> Record:
    return planted.records()


@pytest.mark.parametrize("name", PLANTS)
def test_the_planted_defect_is_found(sound: Record, name: str) -> None:
    check, plant, words = PLANTS[name]
    found = findings(check, plant(sound))
    assert any(words in finding.what for finding in found), found
    assert all(finding.evidence and finding.why and finding.do for finding in found)


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_is_found_where_nothing_is_planted(sound: Record, check: str) -> None:
    assert not findings(check, sound)


def test_a_class_of_noise_is_found_by_name() -> None:
    (finding,) = findings("empty", planted.records(kinds=("qpsk", "silence", "gauss")))
    assert finding.about == ["b"]


def test_two_names_of_one_class_are_found() -> None:
    (finding,) = findings("pairs", planted.records(kinds=("qpsk", "gauss", "gauss"), per_cell=250, num_samples=64))
    assert finding.about == ["b / c"]
    assert abs(finding.value - 0.5) < 0.06


def test_one_class_at_two_tunings_is_found() -> None:
    record = planted.records(kinds=("qpsk", "gauss", "gauss"), per_cell=250, num_samples=64)
    turn = torch.exp(0.3j * torch.pi * torch.arange(64)) * (record["label"] == 2)[:, None]
    shifted = torch.where(record["label"][:, None] == 2, record["iq"] * turn, record["iq"])
    (finding,) = findings("pairs", {**record, "iq": shifted})
    assert "Nothing but centre" in finding.what
    assert finding.about == ["b / c"]


def test_the_slope_and_the_offset_are_those_that_were_planted(sound: Record) -> None:
    (steep,) = findings("snr", snr_of_half_decibels(sound))
    assert abs(steep.value - 2) < 0.1
    (shifted,) = findings("snr", snr_off_by_3_db(sound))
    assert abs(shifted.value - 3) < 0.3


def test_what_was_left_out_is_counted_by_reason() -> None:
    record = broken(planted.records(per_cell=3))
    sample = planted.sample(record)
    assert sample.left_out == {"not finite": 1, "silent": 1, "constant": 1}
    assert sample.num_read == len(record["iq"])


def tones(num: int = 400) -> Record:
    """Carriers of constant envelope at nearly one frequency: alike by nature, and no copies of each other."""
    draw = generator(2, "tones")
    frequency = 0.05 + 0.001 * torch.rand(num, 1, generator=draw)
    phase = torch.rand(num, 1, generator=draw)
    iq = torch.exp(2j * math.pi * (frequency * torch.arange(256) + phase))
    iq += 0.1 * torch.randn(iq.shape, dtype=torch.complex64, generator=draw)
    return {"iq": iq.to(torch.complex64), "label": torch.arange(num) % 2, "group": torch.arange(num)}


def phase_walks(num: int = 400) -> Record:
    """Narrow FM: constant envelope, no noise."""
    draw = generator(3, "walks")
    walk = (0.2 * torch.randn(num, 256, generator=draw)).cumsum(1)
    return {"iq": torch.exp(1j * walk), "label": torch.arange(num) % 2, "group": torch.arange(num)}


@pytest.mark.parametrize("record", [tones(), phase_walks()], ids=["tones", "constant envelopes"])
def test_signals_that_are_alike_by_nature_are_no_copies(record: Record) -> None:
    assert not findings("duplicates", record)
