"""What benchmarks/generation.py measures of Groundwave: a table of jobs, each a small function."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import torch
from peers.stopwatch import Job

from groundwave.recipes.generate import generate
from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.domain import Domain
from groundwave.scenes.modulations import Modulations
from groundwave.scenes.radioml import RadioML
from groundwave.scenes.spectrogram import Spectrogram
from groundwave.scenes.waveforms import WAVEFORMS
from groundwave.signal.multipath import draw_paths, margin, propagate
from groundwave.signal.noise import awgn, noise_like
from groundwave.signal.profiles import PROFILES

NUM_SAMPLES, BATCH = 1024, 256
SAMPLES_PER_SYMBOL, SNR_DB = 8, 10.0
STORED = 131_072  # eight parts of a store, so that waiting for the last one weighs little, as in a long run


def waveforms(device: str) -> Job:
    """Every waveform of the table in turn, as many records of each."""
    each, draw = BATCH // (1 if device == "cuda" else 8), generator(0, "waveforms", device=device)
    airs = {name: Air(8, 8 * (waveform.bandwidth_hz or 1.0)) for name, waveform in WAVEFORMS.items()}

    def job() -> int:
        for name, waveform in WAVEFORMS.items():
            assert waveform(each, NUM_SAMPLES, airs[name], draw).shape == (each, NUM_SAMPLES)
        return each * len(WAVEFORMS)

    return job


def _blocks(scene: Modulations | RadioML | Spectrogram) -> Job:
    numbers = count()

    def job() -> int:
        scene.block(next(numbers))
        return scene.num_per_block

    return job


def impaired(device: str) -> Job:
    """The scene `modulations` with real radios, standing multipath and noise."""
    domain = Domain(num_devices=64, environment="TDL-A", delay_spread_s=300e-9)
    per_class = {"records_per_class": 256} if device == "cuda" else {}
    return _blocks(Modulations(num_samples=NUM_SAMPLES, domain=domain, device=device, **per_class))


def modulations(device: str) -> Job:
    """The scene `modulations` at its defaults: any symbol length and offset, noise; what the store is compared with."""
    return _blocks(Modulations(num_samples=NUM_SAMPLES, device=device))


def stored(device: str) -> Job:
    """The same scene, written to a store."""

    def job() -> int:
        with tempfile.TemporaryDirectory() as folder:
            settings = {"num_samples": NUM_SAMPLES, "device": device}
            generate("modulations", num=STORED, out=Path(folder) / "store", seed=0, settings=settings)
        return STORED

    return job


def qam16(device: str) -> Job:
    """16QAM under a root raised cosine."""
    draw = generator(0, "qam16", device=device)

    def job() -> int:
        WAVEFORMS["QAM16"](BATCH, NUM_SAMPLES, Air(SAMPLES_PER_SYMBOL), draw)
        return BATCH

    return job


def qam16_awgn(device: str) -> Job:
    """16QAM under a root raised cosine, with noise at an SNR."""
    draw = generator(0, "qam16", device=device)
    snr_db = torch.full((BATCH,), SNR_DB, device=device)

    def job() -> int:
        awgn(WAVEFORMS["QAM16"](BATCH, NUM_SAMPLES, Air(SAMPLES_PER_SYMBOL), draw), snr_db, generator=draw)
        return BATCH

    return job


def radioml(device: str) -> Job:
    """The scene `radioml`: eleven modulations, its dynamic channel, noise."""
    return _blocks(RadioML(num_samples=NUM_SAMPLES))


def tdl(device: str) -> Job:
    """TDL-A channels that vary over the record, drawn and applied; as in peers/sionna_jobs.py."""
    rate, spread, profile = 1e6, 300e-9, PROFILES["TDL-A"]
    draw = generator(0, "tdl", device=device)
    more = margin(profile, sample_rate_hz=rate, delay_spread_s=spread)
    x = torch.randn(64, NUM_SAMPLES + more, dtype=torch.complex64, generator=draw, device=device)

    def job() -> int:
        settings = {"sample_rate_hz": rate, "delay_spread_s": spread, "doppler_hz": 350.0}
        y = propagate(x, draw_paths(profile, len(x), NUM_SAMPLES, **settings, generator=draw))
        assert y.shape == (len(x), NUM_SAMPLES)
        return len(x)

    return job


def spectrogram(device: str) -> Job:
    """The scene `spectrogram` at its defaults: 256 x 256 cells, masks and boxes."""
    return _blocks(Spectrogram())


def noise(device: str) -> Job:
    """Drawing complex noise: what no generator of noisy records can beat."""
    draw, x = generator(0, "noise", device=device), torch.empty(BATCH, NUM_SAMPLES, dtype=torch.complex64)
    x = x.to(device)

    def job() -> int:
        noise_like(x, generator=draw)
        return BATCH

    return job


def fft_pair(device: str) -> Job:
    """One FFT and back: what a filter in the frequency domain takes at least."""
    x = torch.randn(BATCH // 8, NUM_SAMPLES, dtype=torch.complex64, device=device)

    def job() -> int:
        torch.fft.ifft(torch.fft.fft(x))
        return len(x)

    return job


@dataclass(frozen=True)
class Measured:
    """A line of the table.

    Args:
        title: what is made.
        make: makes the job, for a device.
        least: records per second asked for.
        times: factors asked for over peers, by (program, its job).
        share_of: this job is to reach `least` as a share of that one, rather than a rate.
        devices: where it runs.
    """

    title: str
    make: Callable[[str], Job]
    least: float | None = None
    times: Mapping[tuple[str, str], float | None] = field(default_factory=dict)
    share_of: str | None = None
    devices: tuple[str, ...] = ("cpu", "cuda")


CPU = ("cpu",)
JOBS: Mapping[str, Measured] = {
    "waveforms": Measured("all waveforms, clean", waveforms, 12_000, {("torchsig", "waveforms"): None}),
    "impaired": Measured(
        "all waveforms, front-end + static fading + noise", impaired, 6_000, {("torchsig", "impaired"): None}
    ),
    "qam16": Measured(
        "16QAM + RRC (8 samples/symbol), clean", qam16, None, {("liquid", "clean"): 1, ("sionna", "qam16"): None}
    ),
    "qam16_awgn": Measured(
        "16QAM + RRC + AWGN", qam16_awgn, None, {("sionna", "qam16_awgn"): 1.5, ("liquid", "awgn"): 2}
    ),
    "radioml": Measured(
        "RadioML 2016.10a, whole recipe",
        radioml,
        8_000,
        {("gnuradio", "radioml"): 4, ("gnuradio", "radioml_one"): None},
        devices=CPU,
    ),
    "tdl": Measured("TDL-A, time-varying", tdl, 1_000, {("sionna", "tdl"): 20}),
    "spectrogram": Measured("spectrogram scene 256 x 256 with masks", spectrogram, 200, devices=CPU),
    "modulations": Measured("scene `modulations` at its defaults", modulations),
    "stored": Measured("the same, `generate` to a store", stored, 0.7, share_of="modulations", devices=CPU),
    "noise": Measured("limit: drawing the noise alone", noise),
    "fft_pair": Measured("limit: one FFT and back", fft_pair),
}


def makers(device: str) -> Iterator[tuple[str, Callable[[], Job]]]:
    """Yield the names of jobs that run on a device, and what makes them there."""
    for name, measured in JOBS.items():
        if device in measured.devices:
            yield name, lambda make=measured.make: on(device, make)


def on(device: str, make: Callable[[str], Job]) -> Job:
    """Return a job that is done when its device is."""
    job = make(device)

    def finished() -> int:
        done = job()
        if device == "cuda":
            torch.cuda.synchronize()
        return done

    return finished
