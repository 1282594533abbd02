"""Views: each against what it promises, and the check that refuses."""

import math

import pytest
import torch

from groundwave.contracts import View
from groundwave.errors import ContractError, GroundwaveError
from groundwave.rng import generator
from groundwave.signal.noise import power
from groundwave.views import (
    ANSWERS,
    VIEWS,
    AddNoise,
    Amplitude,
    Compose,
    Conjugate,
    Crop,
    Filter,
    FrequencyShift,
    Gain,
    Normalise,
    OtherFrontEnd,
    QuarterTurns,
    Resample,
    Rotate,
    TimeReverse,
    check_views,
)

ARGUMENTS = {"crop": {"num_samples": 50}, "compose": {"views": [Rotate(), Gain()]}}
MADE = {name: make(**ARGUMENTS.get(name, {})) for name, make in VIEWS.items()}


def record(num=64, num_samples=200, antennas=0):
    shape = (num, antennas, num_samples) if antennas else (num, num_samples)
    iq = torch.randn(shape, dtype=torch.complex64, generator=generator(0, "record"))
    return {"iq": iq, "label": torch.arange(num), "snr_db": torch.full((num,), 10.0)}


def tones(frequency=0.05, num=64, num_samples=200):
    phase = 2 * math.pi * frequency * torch.arange(num_samples)
    return {"iq": torch.polar(torch.ones(num, num_samples), phase.expand(num, -1))}


@pytest.mark.parametrize("antennas", [0, 3])
@pytest.mark.parametrize("name", MADE)
def test_every_view_is_seeded_batched_and_never_in_place(name, antennas):
    view, before = MADE[name], record(antennas=antennas)
    kept = {k: v.clone() for k, v in before.items()}
    out = view(before, generator(1, name))
    again = view(before, generator(1, name))
    assert isinstance(view, View)
    assert out is not before
    for key in before:
        torch.testing.assert_close(before[key], kept[key], rtol=0, atol=0)
        torch.testing.assert_close(out[key], again[key], rtol=0, atol=0)
    assert out["iq"].dtype == torch.complex64
    assert out["iq"].shape[:-1] == before["iq"].shape[:-1]
    torch.testing.assert_close(out["label"], before["label"])


@pytest.mark.parametrize("name", MADE)
def test_every_view_speaks_about_every_answer_once(name):
    view = MADE[name]
    assert view.keeps | view.maps | view.destroys == ANSWERS
    assert len(view.keeps) + len(view.maps) + len(view.destroys) == len(ANSWERS)


@pytest.mark.parametrize("name", sorted(MADE.keys() - {"normalise"}))
def test_other_draws_give_other_views(name):
    with pytest.raises(AssertionError):
        torch.testing.assert_close(
            MADE[name](record(), generator(1, name))["iq"], MADE[name](record(), generator(2, name))["iq"]
        )


def test_amplitudes_are_uniform_between_their_bounds():
    before = record(num=4000, num_samples=2)
    factor = (Amplitude()(before, generator(0, "amplitude"))["iq"] / before["iq"])[:, 0]
    assert factor.imag.abs().max() < 1e-5
    assert 0.5 <= float(factor.real.min()) < 0.51
    assert 1.39 < float(factor.real.max()) <= 1.4001
    assert float(factor.real.mean()) == pytest.approx(0.95, abs=0.02)


def test_crop_takes_a_stretch_from_anywhere():
    ramp = {"iq": torch.arange(100.0).expand(2000, -1).to(torch.complex64)}
    out = Crop(90)(ramp, generator(0, "crop"))["iq"].real
    torch.testing.assert_close(out.diff(dim=-1), torch.ones(2000, 89))
    assert set(out[:, 0].tolist()) == {float(k) for k in range(11)}


def test_crop_refuses_short_records():
    with pytest.raises(ContractError, match="crop to fewer samples"):
        Crop(500)(record(), generator(0, "crop"))


@pytest.mark.parametrize("per_batch", [False, True])
def test_quarter_turns_are_exact_alike_for_all_antennas_and_come_up_equally_often(per_batch):
    before, found = record(400, antennas=2), []
    for seed in range(40 if per_batch else 1):
        after = QuarterTurns(per_batch)(before, generator(seed, "quarters"))["iq"]
        turns = [(after == before["iq"] * quarter).flatten(1).all(dim=1) for quarter in (1, 1j, -1, -1j)]
        found.append(torch.stack(turns, dim=1).float())
        assert (found[-1].sum(dim=1) == 1).all(), "each record is turned by one of the four, to the last bit"
        assert not per_batch or (found[-1] == found[-1][0]).all()
    torch.testing.assert_close(torch.cat(found).mean(dim=0), torch.full((4,), 0.25), atol=0.12, rtol=0)


def test_rotation_turns_all_antennas_alike_and_all_round():
    before = record(500, antennas=2)
    ratio = Rotate()(before, generator(0, "rotate"))["iq"] / before["iq"]
    torch.testing.assert_close(ratio, ratio[:, :1, :1].expand_as(ratio), atol=1e-4, rtol=0)
    assert float(ratio[:, 0, 0].mean().abs()) < 0.15


def test_frequency_shift_stays_within_its_limit():
    out = FrequencyShift(0.02)(tones(), generator(0, "shift"))["iq"]
    step = (out[:, 1:] * out[:, :-1].conj()).angle().mean(-1) / (2 * math.pi) - 0.05
    assert float(step.abs().max()) <= 0.0201
    assert float(step.std()) == pytest.approx(0.02 / math.sqrt(3), rel=0.25)


def test_noise_is_added_at_the_ratio_and_the_label_follows():
    before = {**tones(num=200, num_samples=2000), "snr_db": torch.full((200,), math.inf)}
    clean = AddNoise((6.0, 6.0))(before, generator(0, "noise"))
    added = power(clean["iq"] - before["iq"]).mean()
    torch.testing.assert_close(added, torch.tensor(10**-0.6), rtol=0.02, atol=0)
    noisy = AddNoise((0.0, 0.0))({**record(), "snr_db": torch.zeros(64)}, generator(0, "noise"))
    # half of the power was noise, as much again as all of it came: 0.5 / 1.5
    torch.testing.assert_close(noisy["snr_db"], torch.full((64,), -10 * math.log10(3)))


def test_noise_on_a_noise_free_record_gives_its_own_ratio():
    out = AddNoise((6.0, 6.0))({**record(), "snr_db": torch.full((64,), 90.0)}, generator(0, "noise"))
    torch.testing.assert_close(out["snr_db"], torch.full((64,), 6.0), atol=0.01, rtol=0)


def test_gain_stays_within_its_limit():
    before = record(500)
    change = 10 * torch.log10(power(Gain(3.0)(before, generator(0, "gain"))["iq"]) / power(before["iq"]))
    assert float(change.abs().max()) <= 3.001
    assert float(change.abs().max()) > 2.8


def test_filter_keeps_the_direct_path_and_adds_the_echoes_power():
    impulse = torch.zeros(4000, 32, dtype=torch.complex64)
    impulse[:, 0] = 1
    out = Filter(num_echoes=2, echo_power=0.4)({"iq": impulse}, generator(0, "filter"))["iq"]
    expected = torch.zeros(32)
    expected[:3] = torch.tensor([1.0, 0.2, 0.1])
    torch.testing.assert_close(out.abs().square().mean(0), expected, atol=0.015, rtol=0)


def test_resampling_scales_frequency_within_its_limit():
    out = Resample(1.25)(tones(0.02), generator(0, "resample"))["iq"][:, 80:120]
    ratio = (out[:, 1:] * out[:, :-1].conj()).angle().mean(-1) / (2 * math.pi * 0.02)
    assert float(ratio.min()) > 0.79
    assert float(ratio.max()) < 1.26
    assert float(ratio.std()) > 0.05


def test_resampling_by_one_changes_nothing():
    before = record()
    torch.testing.assert_close(Resample(1.0)(before, generator(0, "same"))["iq"], before["iq"], atol=1e-4, rtol=0)
    with pytest.raises(GroundwaveError, match="raise max_factor"):
        Resample(0.5)


@pytest.mark.parametrize("view", [Conjugate(), TimeReverse()])
def test_mirrors_flip_the_spectrum_of_half_the_records(view):
    out = view(tones(), generator(0, "mirror"))["iq"]
    sign = (out[:, 1:] * out[:, :-1].conj()).angle().mean(-1).sign()
    assert 15 < int((sign < 0).sum()) < 49


def test_normalise_gives_unit_power_and_leaves_silence_silent():
    before = record()
    before["iq"][3] = 0
    out = power(Normalise()({**before, "iq": 7 * before["iq"]}, generator(0, "unit"))["iq"])
    torch.testing.assert_close(out[[0, 1, 2, 4]], torch.ones(4))
    assert float(out[3]) == 0


def test_composition_applies_in_order_and_adds_up_what_is_lost():
    view = Compose([Conjugate(), FrequencyShift()])
    assert view.maps == {"sideband", "angle", "beam"}
    assert view.destroys == {"device"}
    draw = generator(0, "compose")
    by_hand = FrequencyShift()(Conjugate()(record(), draw), draw)["iq"]
    torch.testing.assert_close(view(record(), generator(0, "compose"))["iq"], by_hand)


def test_harmless_views_pass():
    check_views([Crop(10), Rotate(), Gain(), Normalise()], "device")


@pytest.mark.parametrize(
    ("view", "answer", "word"),
    [(FrequencyShift(), "device", "destroys"), (Conjugate(), "angle", "changes"), (AddNoise(), "snr", "changes")],
)
def test_harmful_views_are_refused_with_a_reason(view, answer, word):
    with pytest.raises(GroundwaveError, match=f"{type(view).__name__}, which {word} {answer}"):
        check_views([Crop(10), view], answer)


def test_unknown_answers_are_refused():
    with pytest.raises(GroundwaveError, match="modulation"):
        check_views([Rotate()], "modulatoin")


def test_another_front_end_filters_the_records_of_a_beam_alike_and_each_beam_otherwise():
    impulse = torch.zeros(6, 100, dtype=torch.complex64).index_fill(1, torch.tensor([50]), 1)
    told = {"iq": impulse, "label": torch.tensor([4, 0, 4, 0, -1, -1])}
    out = OtherFrontEnd(num_echoes=8)(told, generator(1, "front end"))["iq"]
    torch.testing.assert_close(out[[0, 1]], out[[2, 3]])
    assert (out[0] - out[1]).abs().max() > 0.01
    assert (out[4] - out[5]).abs().max() > 0.01  # who has no label has a filter of its own
    assert ((out.abs() > 1e-6).sum(1) <= 9).all()
    assert (torch.fft.fft(out).abs() <= 10 ** (3 / 20) + 1e-5).all()
    assert (OtherFrontEnd(ripple_db=0.0)(told, generator(1))["iq"] - impulse).abs().max() < 1e-6
    unlabelled = {"iq": impulse}
    assert OtherFrontEnd()(unlabelled, generator(1))["iq"].shape == impulse.shape
