"""Records of IQ as spectrograms: a source that shows another one through a short-time Fourier transform."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from groundwave.contracts import Record
from groundwave.data.named import NamedSource
from groundwave.errors import DataError, lookup
from groundwave.signal.spectrum import WINDOWS, power_db, stft

NUM_FRAMES = 256  # by default
NUM_AT_ONCE = 8  # records transformed together: what a transform needs for a moment is several times their size


@dataclass(frozen=True)
class Transform:
    """How IQ becomes a spectrogram.

    Args:
        num_freqs: cells in frequency: length of the window.
        num_frames: cells in time.
        hop: samples from one frame to the next.
        window: a name in `WINDOWS`.
        phase: keep phases, too.
    """

    num_freqs: int
    num_frames: int
    hop: int
    window: str = "hann"
    phase: bool = False

    @classmethod
    def chosen(
        cls, num_freqs: int, num_frames: int | None, hop: int | None, window: str | None, phase: bool
    ) -> "Transform":
        """Return the transform of these choices, None being the usual one; raises `DataError` for impossible ones."""
        numbers = (num_freqs, NUM_FRAMES if num_frames is None else num_frames, num_freqs if hop is None else hop)
        if num_freqs < 2 or min(numbers) < 1:
            raise DataError(
                got=f"spectrograms of {numbers[0]} frequencies by {numbers[1]} frames, {numbers[2]} samples apart",
                expected="at least 2 frequencies, 1 frame and 1 sample",
                do="correct --spectrogram, --num-frames or --frame-hop",
            )
        lookup(WINDOWS, window or "hann", "window")
        return cls(*numbers, window or "hann", phase)

    @property
    def num_samples(self) -> int:
        """Samples that a spectrogram is made of."""
        return (self.num_frames - 1) * self.hop + self.num_freqs

    @property
    def step(self) -> int:
        """Samples from one spectrogram to the next when frames go on from one to the other."""
        return self.num_frames * self.hop

    def cells(self, iq: Tensor) -> Record:
        """Return `spec` float32 `[B, (antenna,) freq, time]` of complex `[B, (antenna,) samples]`, and `phase`."""
        spectra = stft(iq, self.num_freqs, self.hop, self.window)
        return {"spec": power_db(spectra), **({"phase": spectra.angle()} if self.phase else {})}

    def told(self) -> dict[str, Any]:
        """Return what the cells mean, as a store's notes keep it."""
        told = {
            **asdict(self),
            "overlap": max(0.0, 1 - self.hop / self.num_freqs),
            "scaling": "10 log10 |X|^2 in dB, at least -120; the window has unit energy: white noise of power 1 "
            "(full scale is 1) has mean power 0 dB in each cell",
            "frequency": "row f is centred on f / num_freqs - floor(num_freqs / 2) / num_freqs cycles per sample",
            "time": "frame t begins at sample t * hop of its record",
        }
        return {**told, "phase": "radians, counted from the first sample of each frame" if self.phase else None}


class Spectrograms:
    """A `Source` that shows each record of another one as `spec` (and `phase`) instead of `iq`."""

    def __init__(self, source: NamedSource, transform: Transform) -> None:
        """Look at the first record; raises `DataError` when it holds no IQ, or less than the transform needs."""
        self._source, self._transform = source, transform
        self.classes, self.group_names = source.classes, source.group_names
        record = source[torch.tensor([0])]
        if "iq" not in record:
            raise DataError(
                got=f"--spectrogram for records of {', '.join(record)}",
                expected="records of IQ",
                do="leave it out: what is there is kept as it is",
            )
        if record["iq"].shape[-1] < transform.num_samples:
            raise DataError(
                got=f"records of {record['iq'].shape[-1]} samples",
                expected=f"{transform.num_samples} for {transform.num_frames} frames of {transform.num_freqs}",
                do="ask for fewer frames: --num-frames, or a smaller --frame-hop",
            )

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, indices: Tensor) -> Record:
        """Return the records at `indices` (int64 `[B]`); what is left at the end of a long one is not looked at."""
        record = dict(self._source[indices])
        iq = record.pop("iq")[..., : self._transform.num_samples]
        pieces = [self._transform.cells(some) for some in iq.split(NUM_AT_ONCE)]
        return {**record, **{name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}}
