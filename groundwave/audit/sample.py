"""The records that an audit looks at: a bounded, balanced, seeded sample of a source."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from groundwave.audit.clipping import levels
from groundwave.contracts import Record, Source
from groundwave.errors import DataError
from groundwave.rng import generator
from groundwave.signal.noise import unit_power

BATCH = 512
MIN_NUM_SAMPLES = 32
MAX_NUM_SAMPLES = 8192  # of a record; longer ones are cut
MAX_TOTAL = 1 << 25  # complex samples held in memory: 256 MiB
MAX_READ = 1 << 22  # complex samples read at a time
KEYS = ("label", "snr_db", "group", "index")


@dataclass(frozen=True)
class Sample:
    """Records held in memory, finite and not silent, and what was left out.

    Args:
        iq: complex64 `[n, time]`, as the source has them; of several antennas the first.
        label: int64 `[n]`, -1 unlabelled.
        snr_db: float32 `[n]`, NaN unknown.
        group: int64 `[n]`, -1 unknown.
        index: int64 `[n]`, position in the source.
        classes: class names.
        sample_rate_hz: NaN when unknown or not the same for all.
        num_total: records in the source.
        num_samples: samples of a record in the source.
        left_out: number of records by reason.
    """

    iq: Tensor
    label: Tensor
    snr_db: Tensor
    group: Tensor
    index: Tensor
    classes: Sequence[str]
    sample_rate_hz: float
    num_total: int
    num_samples: int
    left_out: dict[str, int]

    def __len__(self) -> int:
        return len(self.iq)

    @property
    def num_read(self) -> int:
        """Records asked for, those that were left out included."""
        return len(self) + sum(self.left_out.values())

    def unit(self, rows: Tensor | slice = slice(None)) -> Tensor:
        """Return records at unit mean power."""
        return unit_power(self.iq[rows])

    def batches(self) -> Iterator[slice]:
        """Return row ranges small enough to work on."""
        return (slice(start, start + BATCH) for start in range(0, len(self), BATCH))

    @cached_property
    def clipped(self) -> Tensor:
        """Mask of the clipped records."""
        return torch.cat([levels(self.iq[rows]).clipped for rows in self.batches()])

    def strong(self) -> Tensor:
        """Return a mask of the records in the upper quarter of the SNR labels; of all where none is known."""
        known = self.snr_db[self.snr_db.isfinite()]
        if not len(known):
            return torch.ones(len(self), dtype=torch.bool)
        mask: Tensor = self.snr_db >= known.unique().double().quantile(0.75)
        return mask

    def members(self, mask: Tensor, least: int) -> dict[str, Tensor]:
        """Return the rows of each class within a mask, by class name; classes with fewer than `least` are left out.

        Unlabelled records count as one class.
        """
        named = {name: (self.label == code) & mask for code, name in enumerate(self.classes)}
        rows = {name: here.nonzero()[:, 0] for name, here in {**named, "(unlabelled)": (self.label < 0) & mask}.items()}
        return {name: found for name, found in rows.items() if len(found) >= least}


def draw_sample(source: Source, *, most: int, seed: int, progress: Callable[[int, int], None] | None = None) -> Sample:
    """Read at most `most` records, as many of each (class, SNR) as there are, else as evenly as can be.

    Args:
        source: where from.
        most: upper limit; fewer when records are long, so that memory stays bounded.
        seed: of the draw.
        progress: told records read and to read.
    """
    num_samples = _num_samples(source)
    rows = choose(source, min(most, MAX_TOTAL // max(1, min(num_samples, MAX_NUM_SAMPLES))), seed)
    pieces: list[Record] = []
    left_out: dict[str, int] = {}
    rates: set[float] = set()
    for batch in rows.split(max(1, min(BATCH, MAX_READ // max(1, num_samples)))):
        for record in _readable(source, batch, left_out):
            rates.update(record.get("sample_rate_hz", torch.full((1,), torch.nan)).unique().tolist())
            pieces.append(_sound(record, left_out))
        if progress:
            progress(sum(len(p["iq"]) for p in pieces) + sum(left_out.values()), len(rows))
    if not sum(len(piece["iq"]) for piece in pieces):
        raise DataError(f"{len(rows)} records without any signal", "at least one", "check what the file holds")
    joined = {key: torch.cat([piece[key] for piece in pieces]) for key in ("iq", *KEYS)}
    return Sample(
        **joined,
        classes=tuple(source.classes),
        sample_rate_hz=rates.pop() if len(rates) == 1 else float("nan"),
        num_total=len(source),
        num_samples=num_samples,
        left_out=left_out,
    )


def _num_samples(source: Source) -> int:
    """Return the length of a source's records; raises `DataError` unless it holds IQ, and enough."""
    try:
        first = next(_first(source))
    except StopIteration:
        raise DataError("no record that can be read", "at least one", "check what the file holds") from None
    if "iq" not in first:
        do = "make or ingest them with their samples; the scene `spectrogram` keeps them with --scene.with-iq"
        raise DataError("records without IQ", "records with `iq`", do)
    num_samples = int(first["iq"].shape[-1])
    if num_samples < MIN_NUM_SAMPLES:
        raise DataError(
            f"records of {num_samples} samples",
            f"at least {MIN_NUM_SAMPLES}",
            "cut longer ones: --window, --num-samples",
        )
    return num_samples


def _first(source: Source) -> Iterator[Record]:
    """Yield the records that can be read, one at a time."""
    for row in range(len(source)):
        yield from _readable(source, torch.tensor([row]), {})


def choose(source: Source, most: int, seed: int) -> Tensor:
    """Return sorted row numbers: all, or `most` drawn so that cells of (class, SNR) are as even as they can be.

    Sources that hold their labels in memory (`columns`) are balanced; of others, scenes among them, the first `most`.
    """
    total = len(source)
    if total <= most:
        return torch.arange(total)
    columns: Any = getattr(source, "columns", None)
    if columns is None:
        return torch.arange(most)
    snr = columns["snr_db"].nan_to_num(0.0).round().long()
    cell = torch.stack([columns["label"], snr]).unique(dim=1, return_inverse=True)[1]
    shuffled = torch.randperm(total, generator=generator(seed, "audit", "sample"))
    order = shuffled[cell[shuffled].argsort(stable=True)]
    counts = cell.bincount()
    starts = counts.cumsum(0) - counts
    rank = torch.arange(total) - starts[cell[order]]  # a record's place in its cell: the lowest ones are taken
    return order[rank.argsort(stable=True)[:most]].sort().values


def _readable(source: Source, rows: Tensor, left_out: dict[str, int]) -> Iterator[Record]:
    """Yield the records at `rows`; those that the source refuses to give are counted."""
    try:
        yield source[rows]
    except DataError:
        for row in rows.split(1):
            try:
                yield source[row]
            except DataError:
                left_out["not finite"] = left_out.get("not finite", 0) + 1


def _sound(record: Record, left_out: dict[str, int]) -> Record:
    """Return the finite records that are not constant, of the first antenna, cut to the longest that is looked at."""
    iq = record["iq"].reshape(len(record["iq"]), -1, record["iq"].shape[-1])[:, 0, :MAX_NUM_SAMPLES]
    finite = torch.view_as_real(iq).isfinite().flatten(1).all(1)
    silent = finite & (iq.abs().amax(-1) == 0)
    constant = finite & ~silent & (iq == iq[:, :1]).all(1) & (iq.shape[-1] > 1)
    for reason, mask in (("not finite", ~finite), ("silent", silent), ("constant", constant)):
        if mask.any():
            left_out[reason] = left_out.get(reason, 0) + int(mask.sum())
    unknown = {"label": -1, "snr_db": torch.nan, "group": -1}
    columns = {key: record.get(key, torch.full((len(iq),), unknown.get(key, -1))) for key in KEYS}
    good = finite & ~silent & ~constant
    return {"iq": iq[good].to(torch.complex64), **{key: values[good] for key, values in columns.items()}}
