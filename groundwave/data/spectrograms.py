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
SAMPLES_AT_ONCE = 1 << 20  # transformed together: what a transform needs for a moment is several times their size


@dataclass(frozen=True)
class Transform:
    """How IQ becomes a spectrogram.

    Args:
        num_freqs: cells in frequency: length of the window.
        num_frames: cells in time.
        hop: samples from one window to the next.
        num_averaged: windows whose mean power makes a frame.
        window: a name in `WINDOWS`.
        phase: keep phases, too.
    """

    num_freqs: int
    num_frames: int
    hop: int
    num_averaged: int = 1
    window: str = "hann"
    phase: bool = False

    @classmethod
    def chosen(
        cls,
        num_freqs: int,
        num_frames: int | None = None,
        hop: int | None = None,
        num_averaged: int | None = None,
        window: str | None = None,
        phase: bool = False,
    ) -> "Transform":
        """Return the transform of these choices, None being the usual one; raises `DataError` for impossible ones."""
        frames, step, mean = (NUM_FRAMES, num_freqs, 1)
        frames = frames if num_frames is None else num_frames
        step = step if hop is None else hop
        mean = mean if num_averaged is None else num_averaged
        if num_freqs < 2 or min(frames, step, mean) < 1:
            raise DataError(
                got=f"spectrograms of {num_freqs} frequencies by {frames} frames, windows {step} samples apart, {mean} "
                "in a frame",
                expected="at least 2 frequencies, 1 frame, 1 sample and 1 window",
                do="correct --spectrogram, --num-frames, --frame-hop or --average",
            )
        if phase and mean > 1:
            raise DataError(f"phases of {mean} windows in a frame", "one window", "leave out --phase or --average")
        lookup(WINDOWS, window or "hann", "window")
        return cls(num_freqs, frames, step, mean, window or "hann", phase)

    @property
    def num_samples(self) -> int:
        """Samples that a spectrogram is made of."""
        return (self.num_frames * self.num_averaged - 1) * self.hop + self.num_freqs

    @property
    def frame_step(self) -> int:
        """Samples from one frame to the next."""
        return self.num_averaged * self.hop

    @property
    def step(self) -> int:
        """Samples from one spectrogram to the next when frames go on from one to the other."""
        return self.num_frames * self.frame_step

    def cells(self, iq: Tensor) -> Record:
        """Return `spec` float32 `[B, (antenna,) freq, time]` of complex `[B, (antenna,) samples]`, and `phase`."""
        spectra = stft(iq, self.num_freqs, self.hop, self.window)
        return {"spec": power_db(spectra, self.num_averaged), **({"phase": spectra.angle()} if self.phase else {})}

    def told(self) -> dict[str, Any]:
        """Return what the cells mean, as a store's notes keep it."""
        told = {
            **asdict(self),
            "overlap": max(0.0, 1 - self.hop / self.num_freqs),
            "scaling": "10 log10 of the mean |X|^2 in dB, at least -120; the window has unit energy: white noise "
            "of power 1 (full scale is 1) has mean power 0 dB in each cell",
            "frequency": "row f is centred on f / num_freqs - floor(num_freqs / 2) / num_freqs cycles per sample",
            "time": "frame t begins at sample t * num_averaged * hop of its record",
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
        self._record_bytes = record["iq"].nbytes
        if record["iq"].shape[-1] < transform.num_samples:
            raise DataError(
                got=f"records of {record['iq'].shape[-1]} samples",
                expected=f"{transform.num_samples} for {transform.num_frames} frames of {transform.num_freqs}",
                do="ask for fewer frames: --num-frames, or a smaller --frame-hop",
            )

    @property
    def record_bytes(self) -> int:
        """Bytes of the IQ that a record is made of."""
        return self._record_bytes

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, indices: Tensor) -> Record:
        """Return the records at `indices` (int64 `[B]`); what is left at the end of a long one is not looked at."""
        record = dict(self._source[indices])
        iq = record.pop("iq")[..., : self._transform.num_samples]
        num_at_once = max(1, SAMPLES_AT_ONCE // iq[:1].numel()) if len(iq) else 1
        pieces = [self._transform.cells(some) for some in iq.split(num_at_once)]
        return {**record, **{name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}}
