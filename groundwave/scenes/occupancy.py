"""Long stretches of a band whose emitters follow patterns in time: what comes next can be learned, but not all."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from groundwave.contracts import Record
from groundwave.errors import GroundwaveError, lookup
from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.chains import PATTERNS, Chain, Chains
from groundwave.scenes.knobs import require
from groundwave.scenes.waterfall import Emission, Screen, Waterfall
from groundwave.scenes.waveforms import WAVEFORMS
from groundwave.scenes.wideband import SAMPLES_PER_SYMBOL
from groundwave.signal.render import ramp_bursts_

_WIDTHS = (2, 3, 4, 6, 8)  # cells of a channel
_GUARD = 4  # cells between channels: more than a Hann window's skirts
_LEAST_FREQS = 64
_WARM_UP = 128
_WAVEFORM = "QPSK"  # all linear modulations look alike here


@dataclass
class _Emitter:
    """An emitter of a record: its pattern, the middle row of each channel, its width in cells, its SNR."""

    row: int
    label: int
    chain: Chain
    middles: list[float]
    width: int
    snr_db: float
    cells: dict[int, Tensor] = field(default_factory=dict)  # the rows that each channel takes while it is on


class Occupancy:
    """Records of a slotted band, for forecasting: each column of the spectrogram is a slot.

    A record carries `spec` (decibels over the noise floor, whose mean is 0 dB), `mask` (`mask > 0` is occupancy) and
    `snr_db` (the SNR contract). Past and future are cut from it anywhere. Each emitter has channels of its own and one
    of `PATTERNS`, whose settings it keeps during the record: beacons, TDMA frames, hopping sequences, bursts that are
    Markov on and off, packets at random. What can be known of the future is known: `forecast` tells the chance that a
    cell will be occupied to someone who knows every setting and the state of each emitter in the last slot seen. No
    forecast from the past can be better on average, and none that has to learn the settings is as good.

    In the default setting, of the cells in rows that are used at all, after 128 slots:

    | slots ahead | 1 | 2-4 | 5-16 | 17-64 |
    |---|---|---|---|---|
    | oracle right | 97 % | 94 % | 91 % | 88 % |
    | persistence right | 91 % | 73 % | 59 % | 63 % |
    | always the commoner of the past right | 75 % | 73 % | 72 % | 72 % |
    | what the oracle leaves open, bits a cell | 0.16 | 0.27 | 0.34 | 0.38 |

    Args:
        classes: names in `PATTERNS`.
        num_emitters: fewest and most in a record; those for which the band has no room are left out.
        emitter_snr_db: lowest and highest SNR of an emitter in its band while it sends.
        num_freqs: cells in frequency, a power of two: the length of the Hann window.
        num_frames: slots.
        num_averaged: windows, end to end, whose mean power makes a column.
        num_per_block: records that are made together.
        seed: another seed is another, independent scene.

    Raises:
        GroundwaveError: a setting that no record can have.
    """

    def __init__(
        self,
        *,
        classes: Sequence[str] = tuple(PATTERNS),
        num_emitters: tuple[int, int] = (3, 7),
        emitter_snr_db: tuple[float, float] = (5.0, 30.0),
        num_freqs: int = 128,
        num_frames: int = 256,
        num_averaged: int = 4,
        num_per_block: int = 24,
        seed: int = 0,
    ) -> None:
        for name in classes:
            lookup(PATTERNS, name, "pattern")
        self.screen = Screen(num_freqs, num_frames, num_averaged)
        fewest, most = num_emitters
        low, high = emitter_snr_db
        require(
            *self.screen.checks(),
            ("classes", classes, 0 < len(set(classes)) == len(classes), "at least one, each once"),
            ("num_freqs", num_freqs, num_freqs >= _LEAST_FREQS, f"{_LEAST_FREQS} or more: room for any emitter"),
            ("num_emitters", num_emitters, 1 <= fewest <= most, "fewest, most: from 1 up"),
            ("emitter_snr_db", emitter_snr_db, -100 <= low <= high <= 100, "lowest, highest: from -100 to 100"),
            ("num_per_block", num_per_block, num_per_block >= 1, "at least 1"),
        )
        self.classes: Sequence[str] = tuple(classes)
        self.num_emitters, self.emitter_snr_db = num_emitters, emitter_snr_db
        self.num_per_block, self.seed = num_per_block, seed

    def block(self, b: int) -> Record:
        """Return block `b`, a pure function of (seed, settings, b)."""
        waterfalls, _, _ = self._made(b)
        noise = generator(self.seed, "occupancy", "noise", b)
        number = b * self.num_per_block + torch.arange(self.num_per_block)
        return {
            "spec": torch.stack([waterfall.receive(generator=noise) for waterfall in waterfalls]),
            "mask": torch.stack([waterfall.mask() for waterfall in waterfalls]),
            "snr_db": torch.tensor([waterfall.snr_db() for waterfall in waterfalls]),
            "group": number,
            "index": number,
        }

    def forecast(self, b: int, num_past: int) -> Tensor:
        """Return the chance that each cell of block `b` is occupied, to an oracle that has seen `num_past` slots.

        Float32 `[B, freq, num_frames - num_past]`. The oracle knows the settings, and the states in the last slot.

        Raises:
            GroundwaveError: no slot seen, or none left.
        """
        num = self.screen.num_frames - num_past
        if not (num_past >= 1 and num >= 1):
            expected = f"from 1 to {self.screen.num_frames - 1}"
            raise GroundwaveError(f"num_past={num_past}", expected, "leave something to see and something to foretell")
        _, emitters, states = self._made(b)
        chains = Chains.of([emitter.chain for emitter in emitters])
        most = max(emitter.chain.num_channels for emitter in emitters)
        chance = chains.forecast(states[:, num_past - 1], num, most)
        found = torch.zeros(self.num_per_block, self.screen.num_freqs, num)
        for emitter, ahead in zip(emitters, chance, strict=True):
            for channel, cells in emitter.cells.items():
                found[emitter.row, cells] = ahead[:, channel]
        return found

    def noise_free(self, b: int) -> Tensor:
        """Return the power of each cell of block `b` without noise, over the noise's: float32 `[B, freq, time]`."""
        return torch.stack([waterfall.noise_free() for waterfall in self._made(b)[0]])

    def _made(self, b: int) -> tuple[list[Waterfall], list[_Emitter], Tensor]:
        """Return the records of a block, all their emitters, and the emitters' states `[emitters, slots]`."""
        draw = generator(self.seed, "occupancy", "block", b)
        emitters = self._emitters(draw)
        chains = Chains.of([emitter.chain for emitter in emitters])
        states = chains.draw(self.screen.num_frames, warm_up=_WARM_UP, generator=draw)
        waterfalls = [Waterfall(self.screen) for _ in range(self.num_per_block)]
        for emitter, channels in zip(emitters, chains.channel.gather(1, states), strict=True):
            self._send(waterfalls[emitter.row], emitter, channels, draw)
        return waterfalls, emitters, states

    def _emitters(self, draw: Generator) -> list[_Emitter]:
        """Draw emitters, each pattern before any again, and place their channels side by side where there is room."""
        fewest, most = self.num_emitters
        counts = torch.randint(fewest, most + 1, (self.num_per_block,), generator=draw).tolist()
        rounds = sum(counts) // len(self.classes) + 1
        labels = torch.cat([torch.randperm(len(self.classes), generator=draw) for _ in range(rounds)]).tolist()
        low, high = self.emitter_snr_db
        emitters = []
        for row, count in enumerate(counts):
            room, placed = self.screen.num_freqs - _GUARD, []
            for _ in range(count):
                label = labels.pop()
                chain = PATTERNS[self.classes[label]](draw)
                width = _WIDTHS[int(torch.randint(len(_WIDTHS), (), generator=draw))]
                snr_db = low + (high - low) * float(torch.rand((), generator=draw))
                span = chain.num_channels * (width + _GUARD)
                if span <= room:
                    room -= span
                    placed.append(_Emitter(row, label, chain, [], width, snr_db))
            _spread(placed, room, draw)
            emitters += placed
        return emitters

    def _send(self, waterfall: Waterfall, emitter: _Emitter, channels: Tensor, draw: Generator) -> None:
        """Send while the pattern says so, channel by channel, and note which rows each takes."""
        width = SAMPLES_PER_SYMBOL * emitter.width
        slot = self.screen.num_averaged * width
        for channel, middle in enumerate(emitter.middles):
            on = channels == channel
            bursts = _runs(on) * slot
            if not len(bursts):
                continue
            x = WAVEFORMS[_WAVEFORM](1, len(on) * slot, Air(SAMPLES_PER_SYMBOL), draw)
            x = ramp_bursts_(x * on.repeat_interleave(slot), bursts[None], width // 4)[0]
            centre = middle / self.screen.num_freqs - 0.5
            share = emitter.width / self.screen.num_freqs
            own = waterfall.add([Emission(x, width, 0, centre)], emitter.label, emitter.snr_db, share)
            emitter.cells[channel] = own[on].float().mean(0) > 0.5


def _runs(on: Tensor) -> Tensor:
    """Return where runs of True start and stop, int64 `[runs, 2]`."""
    edges = torch.nn.functional.pad(on.long(), (1, 1)).diff()
    return torch.stack([(edges == 1).nonzero().squeeze(1), (edges == -1).nonzero().squeeze(1)], 1)


def _spread(emitters: list[_Emitter], room: int, draw: Generator) -> None:
    """Give each emitter its channels, with what room there is left shared at random among the gaps."""
    gaps = (room * torch.rand(len(emitters), generator=draw).sort().values).long()
    begin = _GUARD
    for emitter, gap, before in zip(emitters, gaps.tolist(), [0, *gaps.tolist()], strict=False):
        begin += gap - before
        for _ in range(emitter.chain.num_channels):
            emitter.middles.append(begin + 0.5 * (emitter.width - 1))
            begin += emitter.width + _GUARD
