"""Made records, sound but for what is planted."""

from collections.abc import Sequence

import torch
from torch import Tensor

from groundwave.audit import Sample, draw_sample
from groundwave.data.sources import Records
from groundwave.rng import generator
from groundwave.signal.noise import awgn, unit_power

SNRS_DB = (-4.0, 0.0, 4.0, 8.0, 12.0, 16.0)


def lowpass(x: Tensor, width: float) -> Tensor:
    """Return records with nothing outside of `width` cycles per sample around zero, at unit power."""
    frequency = torch.fft.fftfreq(x.shape[-1]).abs()
    return unit_power(torch.fft.ifft(torch.fft.fft(x) * (frequency < width / 2)))


def records(
    seed: int = 0, *, kinds: Sequence[str] = ("qpsk", "gauss"), per_cell: int = 40, num_samples: int = 256
) -> dict[str, Tensor]:
    """Return sound records: a class a kind, an oscillator and a group for each, noise as the label says."""
    draw = generator(seed, "planted")
    label = torch.arange(len(kinds)).repeat_interleave(per_cell * len(SNRS_DB))
    snr_db = torch.tensor(SNRS_DB).repeat(len(kinds) * per_cell)
    clean = torch.cat([KINDS[kind](per_cell * len(SNRS_DB), num_samples, draw) for kind in kinds])
    phase = 2 * torch.pi * torch.rand(len(label), 1, generator=draw)
    offset = 0.02 * torch.rand(len(label), 1, generator=draw) - 0.01  # cycles per sample
    turn = phase + 2 * torch.pi * offset * torch.arange(num_samples)
    iq = unit_power(awgn(clean * torch.polar(torch.ones_like(turn), turn), snr_db, generator=draw))
    return {"iq": iq, "label": label, "snr_db": snr_db, "group": torch.arange(len(label))}


def _qpsk(num: int, num_samples: int, draw: torch.Generator) -> Tensor:
    """QPSK of 8 samples per symbol, held to 0.3 of the band, with symbol timing of its own."""
    quarter = torch.randint(0, 4, (num, num_samples // 8 + 2), generator=draw)
    symbols = torch.polar(torch.ones(quarter.shape), quarter * torch.pi / 2).repeat_interleave(8, 1)
    start = torch.randint(0, 8, (num, 1), generator=draw)
    return lowpass(symbols.gather(1, start + torch.arange(num_samples)), 0.3)


def _gauss(num: int, num_samples: int, draw: torch.Generator) -> Tensor:
    """Gaussian noise held to 0.3 of the band."""
    return lowpass(torch.randn(num, num_samples, dtype=torch.complex64, generator=draw), 0.3)


def _silence(num: int, num_samples: int, draw: torch.Generator) -> Tensor:
    """Next to no signal, so that `awgn` gives noise alone: white noise of its own."""
    return unit_power(torch.randn(num, num_samples, dtype=torch.complex64, generator=draw))


KINDS = {"qpsk": _qpsk, "gauss": _gauss, "silence": _silence}


def sample(record: dict[str, Tensor], classes: Sequence[str] = ("a", "b", "c")) -> Sample:
    """Return a sample of all records."""
    num = int(record["label"].max()) + 1
    return draw_sample(Records(record, classes=tuple(classes)[:num]), most=20_000, seed=0)
