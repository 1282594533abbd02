"""The scene spectrogram against slow twins at the full rate: placement, masks, boxes, SNRs. Each also catches a lie."""

import numpy as np
import pytest
import torch
from scipy import signal as sig
from scipy.ndimage import binary_closing

from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.emitters import MAX_BURSTS, Tracks
from groundwave.scenes.environment import Environment
from groundwave.scenes.spectrogram import Spectrogram
from groundwave.scenes.waveforms import WAVEFORMS
from groundwave.scenes.wideband import Canvas, Grid
from groundwave.signal import render
from groundwave.signal.multipath import draw_paths
from groundwave.signal.noise import power
from groundwave.signal.profiles import PROFILES
from groundwave.signal.spectrum import stft

NUM_FREQS, WINDOWS, WIDTH = 64, 20, 24
ALONE = {"num_emitters": (1, 1), "num_freqs": 64, "num_frames": 64, "num_per_block": 24, "bandwidth": (1 / 16, 1 / 8)}


def band() -> torch.Tensor:
    """Return a burst that fills a third of its band, silent at both ends of the timeline."""
    x = torch.zeros(1, WINDOWS * WIDTH, dtype=torch.complex64)
    x[:, WIDTH:-WIDTH] = WAVEFORMS["QPSK"](1, (WINDOWS - 2) * WIDTH, Air(4), generator(1, "band"))
    return render.ramp_bursts_(x, torch.tensor([[[WIDTH, (WINDOWS - 1) * WIDTH]]]), 8)


def placed(x: torch.Tensor, centre: int) -> np.ndarray:
    wide = torch.zeros(WINDOWS * NUM_FREQS, dtype=torch.complex64)
    render.add_band(wide, torch.fft.fft(render.centre_dc_(x.clone()))[0], centre, 1.0)
    return render.centre_dc_(torch.fft.ifft(wide)).numpy()


def slow_placed(x: torch.Tensor, centre: float) -> np.ndarray:
    """Interpolate with scipy, then mix up sample by sample."""
    y = sig.resample(x[0].numpy().astype(complex), WINDOWS * NUM_FREQS)
    return y * np.exp(2j * np.pi * centre / len(y) * np.arange(len(y)))


@pytest.mark.parametrize("centre", [0, 137, -301])
def test_a_band_is_placed_as_by_interpolating_and_mixing(centre: int) -> None:
    x = band()
    np.testing.assert_allclose(placed(x, centre), slow_placed(x, centre), atol=5e-4)
    with pytest.raises(AssertionError):  # one bin too high
        np.testing.assert_allclose(placed(x, centre), slow_placed(x, centre + 1), atol=5e-4)


@pytest.mark.parametrize("hop", [64, 32])
@pytest.mark.parametrize("centre", [0, 137, -301])
def test_the_spectrogram_of_a_band_is_the_scenes(centre: int, hop: int) -> None:
    x = band()
    cell = round(centre / WINDOWS)
    shift = torch.tensor([centre / WINDOWS - cell])
    low = render.band_spectrogram(render.centre_dc_(x.clone()), WIDTH, hop * WIDTH // NUM_FREQS, shift, NUM_FREQS)[0].T
    full = stft(torch.from_numpy(placed(x, centre)).to(torch.complex64), NUM_FREQS, hop).abs().square()
    first = NUM_FREQS // 2 + cell - WIDTH // 2
    tolerance = 2e-3 * float(full.max())  # the window's skirts wrap round inside the band
    torch.testing.assert_close(low, full[first : first + WIDTH], rtol=0, atol=tolerance)
    for wrong in (full[first + 1 : first + 1 + WIDTH], full[first : first + WIDTH].roll(1, 1)):
        with pytest.raises(AssertionError):
            torch.testing.assert_close(low, wrong, rtol=0, atol=tolerance)


def full_rate_mask(clean: torch.Tensor, snr_db: float) -> np.ndarray:
    """Own cells from the emitter alone at the full rate: over the noise or within 10 dB of its mean, gaps closed."""
    power = stft(clean, 64, 64).abs().square().numpy()
    own = np.pad(power >= min(1.0, 10 ** (snr_db / 10 - 1)), 2)
    return binary_closing(own, np.ones((3, 3)))[2:-2, 2:-2]


def test_masks_are_those_of_each_emitter_alone_at_the_full_rate() -> None:
    scene = Spectrogram(classes=("QPSK", "GFSK", "LTE-10"), emitter_snr_db=(5, 20), **ALONE)
    record, (clean, _) = scene.block(0), scene.clean_and_noise(0)
    own = np.stack([full_rate_mask(x, float(s)) for x, s in zip(clean, record["box_snr_db"][:, 0], strict=True)])
    mask = record["mask"].numpy() > 0

    def share(a: np.ndarray, b: np.ndarray) -> float:
        return float((a & b).sum() / (a | b).sum())

    assert share(mask, own) > 0.98
    assert share(np.roll(mask, 1, axis=1), own) < 0.95  # one cell too high
    assert share(np.roll(mask, 1, axis=2), own) < 0.95  # one frame too late


@pytest.mark.parametrize("stronger", [0, 1])
def test_the_strongest_emitter_owns_a_cell(stronger: int) -> None:
    grid = Grid(64, 64, 64)
    canvas = Canvas(grid, 1)
    one = {"scene": torch.tensor([0]), "emitter": torch.tensor([0]), "bandwidth": torch.tensor([1 / 8])}
    bursts = torch.zeros(1, MAX_BURSTS, 2)
    bursts[0, 0, 1] = grid.num_samples
    for label, centre in enumerate((0.0, 0.03)):
        snr_db = torch.tensor([20.0 + 15 * (label == stronger)])
        emitter = Tracks(
            **one, label=torch.tensor([label]), centre=torch.tensor([centre]), snr_db=snr_db, bursts=bursts
        )
        canvas.add(
            32, emitter, [WAVEFORMS["Noise"](1, grid.num_windows * 32, Air(4), generator(label))[0]], lambda x, rate: x
        )
    rows = canvas.mask()[0].mode(dim=1).values
    assert rows[31:36].tolist() == [stronger + 1] * 5
    assert set(rows.tolist()) == {0, 1, 2}


def energy_inside(clean: torch.Tensor, box: torch.Tensor) -> float:
    """Return the share of a record's energy in a box: an ideal filter, then a cut in time."""
    start, stop, low, high = box.tolist()
    x = clean.numpy().astype(complex)
    frequency = np.fft.fftfreq(len(x))
    inside = np.fft.ifft(np.fft.fft(x) * ((frequency >= low) & (frequency <= high)))
    return float((np.abs(inside[int(start) : int(stop) + 1]) ** 2).sum() / (np.abs(x) ** 2).sum())


def whole_bursts(record: dict[str, torch.Tensor], num_samples: int) -> torch.Tensor:
    """Return the rows whose only burst lies well inside the record."""
    start, stop = record["boxes"][:, 0, 0], record["boxes"][:, 0, 1]
    return ((start > 100) & (stop < num_samples - 100) & record["boxes"][:, 1, 0].isnan()).nonzero().squeeze(1)


@pytest.mark.parametrize("name", ["QAM16", "GFSK", "802.11a", "LoRa-SF7", "AM-DSB", "Tone"])
def test_boxes_hold_98_percent_and_their_snr_is_true(name: str) -> None:
    scene = Spectrogram(classes=(name,), activities=("burst",), duration=(0.2, 0.5), **ALONE)
    record, (clean, noise) = scene.block(0), scene.clean_and_noise(0)
    rows = whole_bursts(record, scene.grid.num_samples)
    assert len(rows) >= 5
    boxes = record["boxes"][:, 0]
    inside = [energy_inside(clean[i], boxes[i]) for i in rows]
    assert min(inside) > 0.96
    assert np.mean(inside) > 0.975
    away = boxes + (boxes[:, 3:] - boxes[:, 2:3]) * torch.tensor([0, 0, 1, 1])
    assert max(energy_inside(clean[i], away[i]) for i in rows) < 0.6  # a box beside it
    width = (boxes[:, 3] - boxes[:, 2]).clamp(min=1 / 64)
    seconds = (boxes[:, 1] - boxes[:, 0]) / 0.99  # the box holds 99 % of the time, too
    measured = 10 * torch.log10(clean.abs().square().sum(1) / (noise.abs().square().mean(1) * seconds * width))
    error = (measured - record["box_snr_db"][:, 0])[rows]
    assert abs(float(error.mean())) < 0.1
    assert float(error.abs().max()) < 0.5


@pytest.mark.parametrize("environment", ["none", "TDL-A"])
def test_the_records_snr_is_true(environment: str) -> None:
    scene = Spectrogram(**(ALONE | {"num_emitters": (1, 4), "num_per_block": 64}), environment=environment)
    clean, noise = scene.clean_and_noise(0)
    measured = 10 * torch.log10(clean.abs().square().mean(1) / noise.abs().square().mean(1))
    error = measured - scene.block(0)["snr_db"]
    assert abs(float(error.mean())) < 0.1
    assert float(error.abs().max()) < 0.5


def test_each_emitter_fades_by_its_profile() -> None:
    x = band()
    environment = Environment("TDL-A", 300e-9, 0.0, 20e6)
    y = environment.transfer(x, WIDTH / NUM_FREQS, generator=generator(5))
    torch.testing.assert_close(power(y), power(x))
    paths = draw_paths(
        PROFILES["TDL-A"], 1, x.shape[1], sample_rate_hz=7.5e6, delay_spread_s=300e-9, generator=generator(5)
    )
    frequency = np.fft.fftfreq(x.shape[1])
    delays = paths.delays[0].numpy()
    response = paths.gains[0, :, 0].numpy() @ np.exp(-2j * np.pi * delays[:, None] * frequency)
    slow = np.fft.ifft(np.fft.fft(x[0].numpy()) * response)
    slow *= np.sqrt(float(power(x)[0]) / np.mean(np.abs(slow) ** 2))
    np.testing.assert_allclose(y[0].numpy(), slow, atol=0.03)
    with pytest.raises(AssertionError):  # one sample late
        np.testing.assert_allclose(y[0].numpy(), np.roll(slow, 1), atol=0.03)


@pytest.mark.parametrize("name", ["802.11a", "QAM64"])
def test_boxes_and_masks_agree_on_strong_rectangles(name: str) -> None:
    settings = {"activities": ("burst",), "duration": (0.3, 0.6), "emitter_snr_db": (20, 20), "bandwidth": (0.12, 0.2)}
    scene = Spectrogram(classes=(name,), num_emitters=(1, 1), num_freqs=128, num_per_block=12, **settings)
    record = scene.block(0)
    right, wrong = [], []
    for mask, box in zip(record["mask"], record["boxes"][:, 0], strict=True):
        covered = [(mask > 0).float().mean(dim) for dim in (1, 0)]
        freq, time = ((share > 0.5 * share.max()).nonzero() for share in covered)
        low, high = freq.min() / 128 - 0.5, (freq.max() + 1) / 128 - 0.5
        drawn = torch.stack((time.min() * 128, (time.max() + 1) * 128, low, high)).tolist()
        right.append(iou(drawn, box.tolist()))
        wrong.append(iou(drawn, (box + torch.tensor([0, 0, 0.05, 0.05])).tolist()))
    assert np.mean(right) > 0.8
    assert np.mean(wrong) < 0.65


def iou(a: list[float], b: list[float]) -> float:
    """Return the intersection over the union of two boxes (start, stop, low, high)."""
    sides = [max(0.0, min(a[i + 1], b[i + 1]) - max(a[i], b[i])) for i in (0, 2)]
    areas = [(box[1] - box[0]) * (box[3] - box[2]) for box in (a, b)]
    both = sides[0] * sides[1]
    return both / (sum(areas) - both)


def test_strong_cells_are_in_the_mask_and_the_rest_is_noise() -> None:
    scene = Spectrogram(emitter_snr_db=(20, 30), **(ALONE | {"num_emitters": (1, 3)}))
    record = scene.block(0)
    free = record["mask"] == 0
    strong = record["spec"] > 12  # noise alone: one cell in 7 million
    assert float((strong & free).sum() / strong.sum()) < 0.002
    level = 10 * torch.log10((10 ** (record["spec"][free] / 10)).mean())
    assert abs(float(level)) < 0.15
