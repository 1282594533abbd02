"""Every contract of the table: what it makes of good records, what it refuses, and that models keep it on disk."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from groundwave.contract import (
    CONTRACTS,
    ArrayContract,
    Contract,
    CSIContract,
    DepthContract,
    InputContract,
    RGBContract,
    SpectrogramContract,
    demanded,
    identity,
    restored,
)
from groundwave.contract.image import check_paired
from groundwave.errors import ContractError, UnknownNameError
from groundwave.rng import generator

CONTRACT: dict[str, Contract] = {
    "iq": InputContract(64, 32, 128, num_antennas=2),
    "spec": SpectrogramContract(num_freqs=32, num_frames=24),
    "csi": CSIContract(num_antennas=3),
    "array": ArrayContract(64, 32, 128, size=(2, 3)),
    "rgb": RGBContract(),
    "depth": DepthContract(),
}
PICTURES = ("rgb", "depth")  # their level says something
SHAPE = {"iq": (4, 2, 64), "spec": (4, 32, 24), "csi": (4, 3, 30, 50), "array": (4, 6, 64)}
SHAPE |= {"rgb": (4, 3, 12, 16), "depth": (4, 1, 12, 16)}


def good(modality: str) -> Tensor:
    drawn = torch.randn(SHAPE[modality], dtype=torch.complex64, generator=generator(0, modality))
    if modality in PICTURES:
        return (drawn.abs() / 5).clamp(0.01, 1)
    return 20 * drawn.abs().log10() - 70 if modality == "spec" else drawn


def prepared(modality: str, x: Tensor, index: Tensor | None = None) -> Tensor:
    return CONTRACT[modality].prepare({modality: x, **({} if index is None else {"index": index})})


def test_every_contract_is_tried() -> None:
    assert CONTRACT.keys() == SHAPE.keys() == CONTRACTS.keys()


@pytest.mark.parametrize("modality", CONTRACTS)
def test_networks_see_real_channels_whatever_the_gain(modality: str) -> None:
    contract, x = CONTRACT[modality], good(modality)
    seen = contract.channels(contract.windows(prepared(modality, x)).flatten(0, 1))
    assert seen.dtype == torch.float32
    assert seen.shape[:2] == (4, contract.num_channels)
    if modality not in PICTURES:
        louder = x + 33 if modality == "spec" else 50 * x
        torch.testing.assert_close(prepared(modality, louder), prepared(modality, x), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(contract.prepare(x), prepared(modality, x), rtol=0, atol=0)
    torch.testing.assert_close(contract.prepare(x.numpy()), prepared(modality, x), rtol=0, atol=0)


@pytest.mark.parametrize("modality", CONTRACTS)
def test_records_do_not_touch_each_other(modality: str) -> None:
    x = good(modality)
    torch.testing.assert_close(prepared(modality, x)[2:3], prepared(modality, x[2:3]), rtol=0, atol=0)


@pytest.mark.parametrize("modality", CONTRACTS)
def test_bad_values_are_told_by_the_name_of_their_record(modality: str) -> None:
    x = good(modality)
    x[3, ..., 5] = torch.nan
    with pytest.raises(ContractError, match="record 3"):
        prepared(modality, x)
    with pytest.raises(ContractError, match="record 103"):
        prepared(modality, x, 100 + torch.arange(4))


@pytest.mark.parametrize("modality", CONTRACTS)
def test_a_record_of_something_else_is_refused(modality: str) -> None:
    with pytest.raises(ContractError, match=f"holds '{modality}'"):
        CONTRACT[modality].prepare({"other": good(modality)})


@pytest.mark.parametrize("modality", CONTRACTS)
def test_json_keeps_a_contract(modality: str) -> None:
    saved = json.loads(json.dumps(vars(CONTRACT[modality])))
    assert restored(saved) == CONTRACT[modality]
    with pytest.raises(ContractError, match="an input contract with surprise"):
        restored({**saved, "surprise": 1})
    with pytest.raises(ContractError, match="an input contract with"):
        restored({**saved, "normalisation": "none"})
    with pytest.raises(UnknownNameError, match="modality"):
        restored({**saved, "modality": "smell"})


def test_the_noise_floor_is_zero_and_ten_decibels_are_one() -> None:
    spec = torch.full((1, 20, 20), -90.0)
    spec[:, 10:] = -60.0
    x = prepared("spec", spec)
    assert x.shape == (1, 1, 20, 20)
    torch.testing.assert_close(x[0, 0, :, 0], torch.cat([torch.zeros(10), torch.full((10,), 3.0)]))


@pytest.mark.parametrize("size", [(16, 16), (64, 16), (33, 301)])
def test_spectrograms_of_any_size_from_the_least_up_are_taken_whole(size: tuple[int, int]) -> None:
    spec = torch.randn(size, generator=generator(0, "size"))
    assert CONTRACT["spec"].prepare(spec).shape == (1, 1, *size)


@pytest.mark.parametrize(
    ("modality", "bad", "words"),
    [
        ("spec", torch.randn(2, 32, 1), "32 frequencies by 1 frames.*at least 16 by 16"),
        ("spec", torch.randn(2, 8, 32), "8 frequencies"),
        ("spec", torch.randn(2, 2, 32, 32), "2 channels"),
        ("spec", torch.randn(32), "shape"),
        ("spec", torch.randn(2, 32, 32, dtype=torch.complex64), "20 log10"),
        ("spec", torch.full((2, 32, 32), -120.0), r"all equal \(record 0\)"),
        ("spec", torch.full((2, 32, 32), -torch.inf), "infinite cells in record 0"),
        ("csi", torch.randn(2, 3, 30, 50), "not their decibels"),
        ("csi", torch.randn(2, 2, 30, 50, dtype=torch.complex64), "2 antennas.*3"),
        ("csi", torch.randn(2, 3, 30, 1, dtype=torch.complex64), "30 subcarriers by 1 packets"),
        ("csi", torch.randn(2, 3, 4, 50, dtype=torch.complex64), "4 subcarriers"),
        ("array", torch.randn(2, 6, 64), "complex samples"),
        ("array", torch.randn(64, dtype=torch.complex64), "shape"),
        ("array", torch.randn(2, 4, 64, dtype=torch.complex64), "4 antennas; expected 6, in 2 rows of 3"),
        ("array", torch.randn(2, 6, 31, dtype=torch.complex64), "31 samples; expected at least 32"),
        ("rgb", torch.rand(2, 12, 16, 3), "channels before rows and columns"),
        ("rgb", torch.rand(2, 3, 7, 16), "16 by 7 pixels.*at least 8 by 8"),
        ("rgb", torch.rand(2, 3, 12, 16) + 0.5, "not between 0 and 1 in record 0.*divide by the full scale"),
        ("rgb", torch.randint(9, (2, 3, 12, 16)), "rgb of int64"),
        ("depth", torch.rand(2, 2, 12, 16), "depth of float32 and shape"),
        ("depth", torch.rand(2, 12, 5) + 1, "5 by 12 pixels"),
        ("depth", torch.randint(1, 255, (2, 12, 16), dtype=torch.uint8), "8-bit depths.*16-bit millimetres"),
        ("depth", torch.ones(2, 12, 16, dtype=torch.int64), "64-bit depths"),
        ("depth", 2500 * torch.ones(2, 12, 16), "depths up to 2500 m.*16-bit millimetres as whole numbers"),
        ("depth", torch.eye(16)[None].expand(2, -1, -1), "no depth at 93.8% of the pixels of record 0"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(modality: str, bad: Tensor, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        prepared(modality, bad)


def test_a_lost_packet_and_a_dead_antenna_are_told() -> None:
    csi = good("csi")
    csi[1, 2, :, 7] = 0
    with pytest.raises(ContractError, match=r"packet 7 of record 1, .* at antenna 2"):
        prepared("csi", csi)


def test_what_differs_between_elements_stays_and_a_silent_one_is_told() -> None:
    array = good("array")
    seen = prepared("array", array)
    torch.testing.assert_close(seen.abs().square().mean((1, 2)), torch.ones(4))
    torch.testing.assert_close(seen / seen[:, :1], array / array[:, :1], rtol=1e-4, atol=1e-5)
    array[2, 4] = 0
    with pytest.raises(ContractError, match="record 2, which is silent at antenna 4"):
        prepared("array", array)


def test_long_records_are_cut_into_windows_that_overlap_by_half() -> None:
    array = torch.randn(2, 6, 150, dtype=torch.complex64, generator=generator(0, "long"))
    windows = CONTRACT["array"].windows(array)
    assert windows.shape == (2, 4, 6, 64)
    torch.testing.assert_close(windows[:, 1], array[..., 32:96], rtol=0, atol=0)
    torch.testing.assert_close(windows[:, 3], array[..., 86:], rtol=0, atol=0)


def test_whole_numbers_of_8_and_16_bits_are_colours_of_their_full_scale() -> None:
    bytes_ = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(3, 1, 1).expand(1, 3, 8, 8)
    wanted = torch.tensor([-1.0, -0.6, 1.0]).reshape(3, 1, 1).expand(1, 3, 8, 8)
    torch.testing.assert_close(prepared("rgb", bytes_), wanted)
    torch.testing.assert_close(prepared("rgb", (bytes_.to(torch.int32) * 257).to(torch.uint16)), wanted)
    torch.testing.assert_close(prepared("rgb", bytes_ / 255), wanted)


@pytest.mark.parametrize("dtype", [torch.int16, torch.uint16])
def test_16_bit_depths_are_millimetres_with_holes(dtype: torch.dtype) -> None:
    counts = torch.full((2, 12, 16), 4500, dtype=dtype)
    torch.testing.assert_close(prepared("depth", counts), torch.ones(2, 1, 12, 16))
    torch.testing.assert_close(prepared("depth", torch.full((12, 16), 3.0)), torch.zeros(1, 1, 12, 16))
    for hole in (0, 65535 if dtype == torch.uint16 else -5):
        holed = counts.numpy().copy()
        holed[1, 3, :4] = hole
        with pytest.raises(ContractError, match=r"no depth at 2.1% of the pixels of record 1.*fill"):
            prepared("depth", torch.from_numpy(holed))


def test_interpolated_colours_may_lie_beyond_full_scale_by_their_rounding() -> None:
    torch.testing.assert_close(prepared("rgb", torch.full((1, 3, 8, 8), 1.0000002)), torch.ones(1, 3, 8, 8))
    with pytest.raises(ContractError, match="not between 0 and 1"):
        prepared("rgb", torch.full((1, 3, 8, 8), 1.001))


def test_pictures_that_do_not_belong_together_are_refused() -> None:
    record = {"rgb": good("rgb"), "depth": good("depth")}
    check_paired(record)
    for depth in (record["depth"][:3], record["depth"][..., :8]):
        with pytest.raises(ContractError, match="do not belong together: 4 of 16 by 12 pixels and"):
            check_paired({**record, "depth": depth})


def test_csi_is_decibels_about_each_antennas_mean_and_empty_subcarriers_have_a_floor() -> None:
    csi = good("csi")
    csi[:, :, 0] = 0
    x = prepared("csi", csi)
    assert x.isfinite().all()
    torch.testing.assert_close(x.mean((2, 3)), torch.zeros(4, 3), atol=1e-5, rtol=0)
    for antenna in range(3):
        power = csi[2, antenna].abs().double().square()
        decibels = 10 * power.clamp_min(1e-4 * power.mean()).log10()
        wanted = (decibels - decibels.mean()) / 10
        torch.testing.assert_close(x[2, antenna].double(), wanted, atol=1e-5, rtol=1e-4)
    assert (10 * x[0, 0].amin() < -20).all(), "empty subcarriers lie deep"


@pytest.mark.parametrize(
    ("modality", "change"),
    [
        ("spec", {"min_freqs": 0}),
        ("spec", {"num_frames": 8}),
        ("spec", {"hop": True}),
        ("spec", {"num_channels": "1"}),
        ("spec", {"window": "hanning"}),
        ("spec", {"frame_s": 0.0}),
        ("spec", {"frame_s": "fast"}),
        ("spec", {"sample_rates_hz": (2e7, 1e7)}),
        ("spec", {"sample_rates_hz": (1e7,)}),
        ("spec", {"modality": "iq"}),
        ("csi", {"num_antennas": 0}),
        ("csi", {"min_packets": 1.5}),
        ("csi", {"normalisation": "none"}),
        ("array", {"min_samples": 65}),
        ("array", {"size": (2, 0)}),
        ("array", {"size": (2, 3, 1)}),
        ("array", {"spacing": 0.0}),
        ("array", {"modality": "iq"}),
        ("rgb", {"min_side": 0}),
        ("rgb", {"modality": "depth"}),
        ("depth", {"num_channels": 0}),
        ("depth", {"normalisation": "none"}),
    ],
)
def test_a_contract_that_no_input_could_keep_is_refused(modality: str, change: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match="an input contract with"):
        replace(CONTRACT[modality], **change)


@pytest.mark.parametrize(
    ("field", "value"), [("window", "hamming"), ("frame_s", 1e-3), ("sample_rates_hz", (1e6, 2e6))]
)
def test_a_field_that_came_later_counts_only_where_it_differs_from_what_held_before(field: str, value: Any) -> None:
    contract = SpectrogramContract(num_freqs=32, num_frames=24)
    assert field not in identity(contract)
    assert restored(identity(contract)) == contract
    changed = replace(contract, **{field: value})
    assert identity(changed)[field] == value
    assert restored(json.loads(json.dumps(identity(changed)))) == changed


@pytest.mark.parametrize(("rate_hz", "num_averaged"), [(1e6, 3), (2e6, 6), (4e6, 12), (0.995e6, 3)])
def test_a_frame_lasts_as_long_at_any_rate_that_was_seen(rate_hz: float, num_averaged: int) -> None:
    contract = SpectrogramContract(num_freqs=32, num_frames=24, hop=32, frame_s=96e-6, sample_rates_hz=(1e6, 4e6))
    assert contract.transform_at(rate_hz) == replace(contract.transform, num_averaged=num_averaged)
    assert replace(contract, frame_s=None).transform_at(rate_hz) == contract.transform


@pytest.mark.parametrize(("rate_hz", "num_averaged"), [(1e6, 3), (1.3e6, 4), (0.1e6, 3)])
def test_a_frame_is_the_mean_of_half_as_many_windows_at_least(rate_hz: float, num_averaged: int) -> None:
    contract = SpectrogramContract(num_freqs=32, num_frames=24, hop=32, num_averaged=5, frame_s=96e-6)
    assert contract.transform_at(rate_hz).num_averaged == num_averaged


@pytest.mark.parametrize("rate_hz", [0.98e6, 4.1e6, 61.44e6])
def test_a_rate_that_was_not_seen_is_refused(rate_hz: float) -> None:
    contract = SpectrogramContract(sample_rates_hz=(1e6, 4e6))
    with pytest.raises(ContractError, match="MS/s; expected 1 to 4 MS/s"):
        contract.transform_at(rate_hz)
    assert replace(contract, sample_rates_hz=None).transform_at(rate_hz) == contract.transform


def test_a_purpose_of_one_modality_refuses_the_others() -> None:
    assert demanded(CONTRACT["spec"], SpectrogramContract, "to annotate with") is CONTRACT["spec"]
    with pytest.raises(ContractError, match="a model of 'csi'; expected one of 'iq' to export"):
        demanded(CONTRACT["csi"], InputContract, "to export")
