"""Agreement of the fading models with the output of GNU Radio 3.10, an independent implementation."""

import numpy as np
import pytest
import torch

from groundwave.rng import generator
from groundwave.signal import fading


@pytest.fixture(scope="module")
def faded(shared_data):
    with np.load(shared_data / "reference" / "gr_fading.npz", allow_pickle=False) as file:
        return {k: file[k] for k in ("taps_t0", "white_in", "white_out", "flat_t0_nlos", "flat_t0_los")}


def test_mean_tap_powers(faded):
    faders = fading.draw_faders(20_000, [4.0, 0.0, 0.0], 5e-6, generator=generator(0, "taps"))
    h = fading.fader_gains(faders, torch.zeros(20_000, 1))[..., 0] * torch.tensor([1.0, 0.8, 0.3])
    taps = h @ fading.delay_taps([0.0, 0.9, 1.7], 8).to(h.dtype)
    power = taps.abs().square().mean(0).numpy()
    theirs = (np.abs(faded["taps_t0"]) ** 2).mean(0)
    np.testing.assert_allclose(power, theirs, rtol=0.1, atol=0.001)
    np.testing.assert_allclose(power.sum(), 1.72, rtol=0.02)


def test_the_selective_channel_gives_the_same_samples(faded):
    # the faders hardly move at f_D T_s = 5e-6, so that the taps at the start give the first outputs
    paths = fading.delay_taps([0.0, 0.9, 1.7], 8)
    x = torch.from_numpy(faded["white_in"])[None, :200]
    for row in range(8):
        taps = torch.from_numpy(faded["taps_t0"][row])
        gains = torch.linalg.lstsq(paths.T.to(taps.dtype), taps[:, None]).solution[None].expand(1, 3, 2)
        torch.testing.assert_close(gains[0, :, 0] @ paths.to(taps.dtype), taps, atol=1e-3, rtol=0)
        predicted = fading.apply_paths(x, gains, paths)[0]
        theirs = torch.from_numpy(faded["white_out"][row])[7:200]
        torch.testing.assert_close(predicted, theirs, atol=0.05, rtol=0)


@pytest.mark.parametrize(("key", "rician_k"), [("flat_t0_nlos", 0.0), ("flat_t0_los", 4.0)])
def test_flat_faders_have_the_same_moments(faded, key, rician_k):
    faders = fading.draw_faders(20_000, [rician_k], 5e-6, generator=generator(0, key))
    h = fading.fader_gains(faders, torch.zeros(20_000, 1)).abs().square().numpy()
    theirs = np.abs(faded[key]) ** 2
    np.testing.assert_allclose([h.mean(), h.std()], [theirs.mean(), theirs.std()], rtol=0.06)
