"""A long recording with bursts of different modulations between stretches of noise, and the truth about each burst."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from groundwave.errors import GroundwaveError, lookup
from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.channel import RECIPE, Channel
from groundwave.scenes.knobs import require
from groundwave.scenes.radioml import CLASSES
from groundwave.scenes.waveforms import WAVEFORMS
from groundwave.signal.noise import noise_like, unit_power

_PIECE = 1 << 18


@dataclass(frozen=True)
class Burst:
    """The truth about one burst: where it lies, what it is, and its mean SNR over the burst."""

    start: int
    count: int
    label: int
    modulation: str
    snr_db: float


class Bursts:
    """Recordings of bursts that do not overlap, made of the same waveforms and channel as `RadioML(version="fixed")`.

    A window cut from a burst is distributed as that scene's records are at the burst's SNR, but for the level: the
    noise floor is constant and the recording is scaled so that no sample's I or Q passes +-0.9.

    Args:
        classes: modulations to draw from; each appears once before any appears twice.
        duration_s: length of a recording.
        sample_rate_hz: nominal rate, 200 kHz in the published recipe.
        num_bursts: bursts in a recording.
        burst_s: shortest and longest burst.
        gap_s: the shortest stretch of noise before, between and after bursts.
        snr_db: range of SNRs, uniform in decibels, over the full band.
        seed: another seed is another series of recordings.
        samples_per_symbol: of the digital modulations.
        channel: the channel's settings; each burst draws its own.

    Raises:
        GroundwaveError: a setting that no recording can have, or more bursts than fit.
    """

    def __init__(
        self,
        *,
        classes: Sequence[str] = CLASSES,
        duration_s: float = 20.0,
        sample_rate_hz: float = 200e3,
        num_bursts: int = 12,
        burst_s: tuple[float, float] = (0.2, 1.5),
        gap_s: float = 0.1,
        snr_db: tuple[float, float] = (5.0, 25.0),
        seed: int = 0,
        samples_per_symbol: int = 8,
        channel: Channel = RECIPE,
    ) -> None:
        for name in classes:
            lookup(WAVEFORMS, name, "modulation")
        rate, (shortest, longest) = sample_rate_hz, burst_s
        require(
            ("classes", classes, len(classes) > 0, "at least one"),
            ("sample_rate_hz", rate, 0 < rate < math.inf, "a positive number"),
            ("duration_s", duration_s, 0 < duration_s < math.inf, "a positive number"),
            ("num_bursts", num_bursts, num_bursts >= 1, "at least 1"),
            (
                "burst_s",
                burst_s,
                1 <= shortest * rate <= longest * rate,
                "shortest, then longest, at least one sample each",
            ),
            ("gap_s", gap_s, gap_s >= 0, "no less than 0"),
            ("snr_db", snr_db, -math.inf < snr_db[0] <= snr_db[1] < math.inf, "lowest, then highest, both finite"),
            ("samples_per_symbol", samples_per_symbol, samples_per_symbol >= 2, "at least 2"),
            ("channel.doppler", channel.doppler, channel.doppler >= 0, "no less than 0"),
        )
        needed = num_bursts * burst_s[1] + (num_bursts + 1) * gap_s
        if needed > duration_s:
            raise GroundwaveError(
                f"{num_bursts} bursts of up to {burst_s[1]} s, which with gaps may take {needed:.1f} s",
                f"at most {duration_s} s",
                "ask for fewer or shorter bursts, or a longer recording",
            )
        self.classes, self.sample_rate_hz, self.seed = tuple(classes), sample_rate_hz, seed
        self.num_samples, self.num_bursts = round(duration_s * sample_rate_hz), num_bursts
        self.burst_s, self.gap_s, self.snr_db, self.channel = burst_s, gap_s, snr_db, channel
        self.air = Air(samples_per_symbol, sample_rate_hz)

    def recording(self, b: int) -> tuple[Tensor, list[Burst]]:
        """Return recording `b` as IQ complex64 `[num_samples]` and its bursts in order of time."""
        bursts = self._plan(generator(self.seed, "bursts", "plan", b))
        noise = generator(self.seed, "bursts", "noise", b)
        iq = torch.empty(self.num_samples, dtype=torch.complex64)
        for piece in torch.split(iq, _PIECE):
            piece.copy_(noise_like(piece, generator=noise))
        for i, burst in enumerate(bursts):
            signal = self._signal(burst, generator(self.seed, "bursts", "signal", b, i))
            iq[burst.start : burst.start + burst.count] += signal * 10 ** (burst.snr_db / 20)
        peak = torch.view_as_real(iq).abs().max()
        return iq.mul_(0.9 / peak), bursts

    def _plan(self, draw: Generator) -> list[Burst]:
        """Draw lengths, then share the spare time among the gaps as uniform spacings."""
        shortest, longest = self.burst_s
        n, rate = self.num_bursts, self.sample_rate_hz
        count = (rate * (shortest + (longest - shortest) * torch.rand(n, generator=draw))).long()
        spare = self.num_samples - int(count.sum()) - round((n + 1) * self.gap_s * rate)
        cuts = (spare * torch.rand(n, generator=draw).sort().values).long()
        start = cuts + round(self.gap_s * rate) * torch.arange(1, n + 1) + count.cumsum(0) - count
        rounds = -(-n // len(self.classes))
        label = torch.cat([torch.randperm(len(self.classes), generator=draw) for _ in range(rounds)])[:n]
        low, high = self.snr_db
        snr = low + (high - low) * torch.rand(n, generator=draw)
        rows = zip(start.tolist(), count.tolist(), label.tolist(), snr.tolist(), strict=True)
        return [Burst(s, c, k, self.classes[k], x) for s, c, k, x in rows]

    def _signal(self, burst: Burst, draw: Generator) -> Tensor:
        """Return one burst after its channel at unit mean power."""
        timing = self.air.samples_per_symbol
        num_sent = burst.count + self.channel.margin(burst.count) + timing
        sent = WAVEFORMS[burst.modulation](1, num_sent, self.air, draw)
        drawn = self.channel.draw(1, burst.count, timing=timing, settled=True, generator=draw)
        return unit_power(self.channel.apply(sent, drawn))[0]
