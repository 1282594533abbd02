"""Models of motion: Doppler spectra of CSI, whatever the antennas and subcarriers."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from groundwave.contract import CSIContract, restored
from groundwave.contract.csi import DOPPLER
from groundwave.errors import ContractError
from groundwave.model import Model
from groundwave.rng import generator
from groundwave.signal.motion import level_changes

CONTRACT = CSIContract(min_packets=32, normalisation=DOPPLER)
ARGS = {"dim": 16, "depth": 1, "num_heads": 2, "patch": (4, 5)}


def gains(*shape: int) -> Tensor:
    return 3 + torch.randn(shape, generator=generator(0), dtype=torch.complex64)


def model() -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Model.build("vit", CONTRACT, ARGS)


def twin(csi: Tensor, hop: int = 2) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    """Return the spectra of one record by NumPy's transform, frame by frame."""
    changes = level_changes(csi[None])[0].double().numpy()
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(32) / 32)
    frames = []
    for begin in range(0, changes.shape[-1] - 31, hop):
        spectrum = np.fft.rfft(window * changes[..., begin : begin + 32])
        frames.append(np.log10((np.abs(spectrum) ** 2).mean((0, 1)) / 32 + 1e-3))
    return np.stack(frames, axis=-1)


def test_spectra_are_those_of_a_slow_twin_and_one_of_another_hop_is_caught() -> None:
    csi = gains(2, 3, 9, 50)
    found = CONTRACT.prepare(csi)
    assert found.shape == (2, 1, 17, 10)
    np.testing.assert_allclose(found[1, 0].numpy(), twin(csi[1]), atol=2e-3)
    assert np.abs(found[1, 0].numpy() - twin(csi[1], hop=1)[:, :10]).max() > 0.1


def test_a_gain_that_beats_lies_at_its_rate() -> None:
    packets = torch.arange(96)
    course = 1 + 0.1 * torch.cos(2 * math.pi * 5 / 32 * packets)
    csi = torch.stack([course, torch.ones(96)]).to(torch.complex64).expand(1, 3, -1, -1)
    csi = csi.repeat_interleave(4, dim=2)
    assert (CONTRACT.prepare(csi)[0, 0].argmax(0) == 5).all()


def test_what_stands_still_and_what_a_gain_control_does_is_gone() -> None:
    csi, still, gain = gains(2, 3, 9, 40), 2 * gains(1, 3, 9, 1), torch.rand(2, 1, 1, 40) + 0.5
    torch.testing.assert_close(CONTRACT.prepare(gain * csi), CONTRACT.prepare(csi), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(CONTRACT.prepare(still * gain), torch.full((2, 1, 17, 5), -3.0), atol=1e-3, rtol=1e-3)


def test_models_take_any_antennas_and_keep_their_contract(tmp_path: Path) -> None:
    found = model()
    again = Model.load(found.save(tmp_path / "m"))
    assert again.contract == CONTRACT
    for shape in ((2, 3, 9, 40), (2, 1, 56, 50), (2, 9, 40)):
        features = again.embed(gains(*shape))
        assert features.shape == (2, found.num_features)
        torch.testing.assert_close(features, found.embed(gains(*shape)))
    assert restored({"modality": "csi", "num_antennas": 2}) == CSIContract(num_antennas=2)


@pytest.mark.parametrize("change", [{"num_antennas": 3}, {"min_packets": 31}, {"normalisation": "shifts"}])
def test_contracts_that_no_input_could_keep_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ContractError, match="input contract"):
        replace(CONTRACT, **change)  # type: ignore[arg-type]


def test_what_is_too_short_for_a_frame_is_refused() -> None:
    with pytest.raises(ContractError, match="9 subcarriers by 31 packets; expected at least 8 by 32"):
        CONTRACT.prepare(gains(2, 3, 9, 31))
