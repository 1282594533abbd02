"""The nouns of the house, as protocols and a page of shapes; no behaviour.

A **Record** is a plain `dict[str, Tensor]`, batched or not (`B` is absent when not batched):

| key | dtype and shape | what it is |
|---|---|---|
| `iq` | complex64 `[B, time]` or `[B, antenna, time]` | complex baseband samples |
| `label` | int64 `[B]` | class index; -1 means unlabelled |
| `snr_db` | float32 `[B]` | mean signal power over mean noise power in the full sampled band; NaN means unknown |
| `group` | int64 `[B]` | recording, device, room or subject: what a split must not tear apart |
| `index` | int64 `[B]` | position in the source, stable for any batch size or worker count |
| `spec` | float32 `[B, freq, time]` | spectrogram in decibels; a scene of spectrograms may leave `iq` out |
| `mask` | uint8 `[B, freq, time]` | class + 1 of each cell's strongest emitter, 0: noise; `mask > 0` is occupancy |
| `csi` | complex64 `[B, antenna, subcarrier, packet]` | channel response; real where only amplitudes are known |
| `rgb` | float32 `[B, 3, height, width]` | a picture in colour, 0 to 1 |
| `depth` | float32 `[B, 1, height, width]` | metres to what each pixel shows, along the optical axis |
| `array` | complex64 `[B, antenna, time]` | snapshots of an antenna array whose geometry counts |
| `angle` | float32 `[B, N, 2]` | azimuth and elevation of each source, or of the receiver; NaN where less than N |
| `power` | float32 `[B, beam]` | received power of each beam, linear |
| `position` | float32 `[B, 2]` | metres east and north of the base station |
| `room`, `user`, `access_point` | int64 `[B]` | where a record was made, and with whom; -1 means unknown |
| `front_end`, `rx_beam` | int64 `[B]` | radio hardware that a record went through, beam of its receiver; -1: unknown |
| `place`, `scenario` | int64 `[B]` | where the receiver was, site of a measurement; -1 means unknown |
| `gain_db`, `distance_m` | float32 `[B]` | gain of the receiver; its distance from the transmitter |
| `sample_rate_hz` | float32 `[B]` | width of the band, where the records of a scene differ in it |
| `boxes` | float32 `[B, N, 4]` | start, stop in samples, lowest, highest frequency; NaN where there are less than N |
| `box_label` | int64 `[B, N]` | class of each box; -1 where there is none |
| `box_emitter` | int64 `[B, N]` | number of its emitter in the record; -1 where there is none |
| `box_snr_db` | float32 `[B, N]` | SNR over the emitter's own time and band; NaN where there is none |
| `features` | float32 `[B, D]` | an embedding, where a backbone has been applied |

Units are in names; frequencies are in cycles per sample, angles in radians, spectrograms in decibels with frequency
ascending and DC in the middle.
"""

from collections.abc import Sequence
from typing import Any, Protocol, Self, TypeAlias, runtime_checkable

from torch import Generator, Tensor
from torch.nn import Module

Record: TypeAlias = dict[str, Tensor]


@runtime_checkable
class Source(Protocol):
    """A finite set of records that can be read in any order: a store, or a slice of a scene."""

    @property
    def classes(self) -> Sequence[str]:
        """Class names; `label` indexes them."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Tensor) -> Record:
        """Return the records at `indices` (int64 `[B]`) as one batched record."""
        ...


@runtime_checkable
class Scene(Protocol):
    """An endless, addressable stream of labelled records: block `b` is a pure function of (seed, scene, b)."""

    classes: Sequence[str]
    num_per_block: int

    def block(self, b: int) -> Record:
        """Return block `b`: a batched record of `num_per_block` rows."""
        ...


@runtime_checkable
class View(Protocol):
    """A random perturbation of a record; never in place.

    `keeps`, `maps` and `destroys` name the answers (`modulation`, `device`, `angle`, ...) that the view leaves alone,
    changes in a known way, or makes unrecoverable.
    """

    keeps: frozenset[str]
    maps: frozenset[str]
    destroys: frozenset[str]

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return a perturbed copy of a batched record."""
        ...


@runtime_checkable
class Backbone(Protocol):
    """A network from model channels to features. Its input is what the model's door makes of a record."""

    num_features: int

    def tokens(self, x: Tensor) -> Tensor:
        """Map `x` float32 `[B, channels, time]` to tokens `[B, N, D]`."""
        ...

    def __call__(self, x: Tensor) -> Tensor:
        """Map `x` float32 `[B, channels, time]` to features `[B, num_features]`."""
        ...


@runtime_checkable
class Objective(Protocol):
    """What is minimised: an `nn.Module` that maps a record to `{"loss": scalar, ...scalars to log}`."""

    def __call__(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the loss of a batched record; `generator` drives the random views."""
        ...


@runtime_checkable
class Learner(Protocol):
    """Few labels in, a predictor out: feature learners read `features` and `label`, others `iq` and `label`."""

    def fit(self, support: Record) -> Self:
        """Learn from a batched, labelled record and return self."""
        ...

    def predict(self, query: Record) -> Tensor:
        """Return class probabilities `[B, C]` for a batched record."""
        ...


@runtime_checkable
class Task(Protocol):
    """What a model is tuned for: a head, a loss, and scores of which `chosen_by` chooses the best epoch."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the head's outputs."""
        ...

    @property
    def chosen_by(self) -> str:
        """Name of the score that chooses."""
        ...

    def observed(self, record: Record) -> Record:
        """Return what the model may see of a batched record."""
        ...

    def target(self, record: Record) -> Tensor:
        """Return what is to be answered: int64 `[B]` or `[B, freq, time]`."""
        ...

    def head(self, backbone: Module) -> tuple[str, dict[str, Any]]:
        """Return the name in `HEADS` of a head that answers on this backbone, and its arguments."""
        ...

    def loss(self, scores: Tensor, target: Tensor) -> Tensor:
        """Return the loss of the head's scores `[B, classes, ...]`."""
        ...

    def tally(self, probabilities: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return what the scores are made of, which adds up over batches, from `[B, classes, ...]` and the target."""
        ...

    def scores(self, total: dict[str, Tensor]) -> dict[str, float]:
        """Return the scores of a summed tally, by name; a score that has no value is left out."""
        ...
