"""Who sends what, where and when in a wide band: the drawn plan of a scene with several emitters."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Generator, Tensor

MAX_BURSTS = 16
_CANDIDATES = 16
_SPACING = 1.5  # of an emitter's bandwidth: what it keeps for itself, skirts included
_MOST_CHANNELS = 4


@dataclass(frozen=True)
class Activity:
    """How an emitter uses its time: bursts of a share `duty` of their period, over `num_channels` channels at random.

    `whole`: from before the record to after it, instead of for a drawn duration.
    """

    num_bursts: tuple[int, int]
    duty: tuple[float, float] = (1.0, 1.0)
    num_channels: int = 1
    whole: bool = False


ACTIVITIES: Mapping[str, Activity] = {
    "continuous": Activity((1, 1), whole=True),
    "burst": Activity((1, 1)),
    "periodic": Activity((2, 8), (0.25, 0.75)),
    "hopping": Activity((4, MAX_BURSTS), (0.8, 0.95), num_channels=_MOST_CHANNELS),
}


@dataclass(frozen=True)
class Tracks:
    """Tracks of a block's emitters, one for each channel an emitter uses, ordered by scene and emitter.

    Args:
        scene, emitter: int64 `[tracks]`: row in the block, number in the scene.
        label: int64 `[tracks]`: class.
        bandwidth, centre: float32 `[tracks]`, in cycles per sample.
        snr_db: float32 `[tracks]`: over the emitter's own time and band.
        bursts: float32 `[tracks, MAX_BURSTS, 2]`: start and stop in samples of the record; an empty one starts where
            it stops. They may reach beyond the record by `Plan.margin`.
    """

    scene: Tensor
    emitter: Tensor
    label: Tensor
    bandwidth: Tensor
    centre: Tensor
    snr_db: Tensor
    bursts: Tensor

    def __len__(self) -> int:
        return len(self.scene)

    def __getitem__(self, rows: Tensor) -> "Tracks":
        return Tracks(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True)
class Plan:
    """The settings of the draw; ranges are lowest and highest.

    Args:
        num_classes: emitters take turns: every class before any again, in random order.
        num_samples: length of a record.
        margin: samples that bursts may reach beyond the record, on either side.
        shortest: samples of the shortest burst; an emitter has fewer bursts where they would be shorter.
        num_emitters: uniform.
        bandwidths: the nominal ones there are, in cycles per sample, ascending; uniform in the logarithm.
        duration: of a record, from an emitter's first sample to its last; uniform. It may begin before the record or
            end after it, with at least half of it inside.
        snr_db: uniform in decibels.
        activities: names in `ACTIVITIES`, equally likely.
        overlap: emitters may meet in time and frequency; otherwise one that finds no free place in 16 draws is left
            out.
    """

    num_classes: int
    num_samples: int
    margin: int
    shortest: int
    num_emitters: tuple[int, int]
    bandwidths: tuple[float, ...]
    duration: tuple[float, float]
    snr_db: tuple[float, float]
    activities: tuple[str, ...]
    overlap: bool

    def draw(self, num_scenes: int, generator: Generator) -> Tracks:
        """Draw the emitters of `num_scenes` records."""
        lowest, highest = self.num_emitters
        count = torch.randint(lowest, highest + 1, (num_scenes, 1), generator=generator)
        scene, emitter = (torch.arange(highest) < count).nonzero().unbind(1)
        bandwidth = self._bandwidth(len(scene), generator)
        snr_db = _uniform(*self.snr_db, (len(scene),), generator)
        label = self._labels(len(scene), generator)
        duration, slots, channel, span = self._activity(bandwidth, generator)
        start, centre = self._places(duration, span, generator)
        areas = (start, start + duration[:, None], centre - 0.5 * span[:, None], centre + 0.5 * span[:, None])
        chosen, free = _first_free(scene, emitter, torch.stack(areas, -1))
        start, centre = (x.gather(1, chosen).squeeze(1) for x in (start, centre))
        bursts = self.num_samples * (start[:, None, None] + duration[:, None, None] * slots)
        bursts = bursts.clamp(-self.margin, self.num_samples + self.margin)
        sent = (bursts[..., 1] - bursts[..., 0] >= 0.5 * self.shortest) & free[:, None]  # unless cut off by the edge
        used = sent[:, None] & (channel[:, None] == torch.arange(_MOST_CHANNELS)[:, None])
        row, number = used.any(-1).nonzero().unbind(1)
        return Tracks(
            scene=scene[row],
            emitter=emitter[row],
            label=label[row],
            bandwidth=bandwidth[row],
            centre=(centre + 0.5 * (_SPACING * bandwidth - span))[row] + _SPACING * bandwidth[row] * number,
            snr_db=snr_db[row],
            bursts=torch.where(used[row, number][..., None], bursts[row], 0.0),
        )

    def _bandwidth(self, num: int, generator: Generator) -> Tensor:
        known = torch.tensor(self.bandwidths)
        drawn = _uniform(math.log(self.bandwidths[0]), math.log(self.bandwidths[-1]), (num, 1), generator)
        return known[(drawn - known.log()).abs().argmin(1)]

    def _labels(self, num: int, generator: Generator) -> Tensor:
        rounds = num // self.num_classes + 1
        return torch.cat([torch.randperm(self.num_classes, generator=generator) for _ in range(rounds)])[:num]

    def _activity(self, bandwidth: Tensor, generator: Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Draw how emitters use their time and their share of the band.

        Returns:
            Duration `[emitters]` in records; bursts `[emitters, MAX_BURSTS, 2]` as fractions of it; the channel of each
            burst; the width of all channels together in cycles per sample.
        """
        num = len(bandwidth)
        kinds = [ACTIVITIES[name] for name in self.activities]
        kind = torch.randint(len(kinds), (num,), generator=generator)
        fewest, most = torch.tensor([k.num_bursts for k in kinds])[kind].unbind(1)
        least, greatest = torch.tensor([k.duty for k in kinds])[kind].unbind(1)
        whole = torch.tensor([k.whole for k in kinds])[kind]
        num_channels = torch.tensor([k.num_channels for k in kinds])[kind]
        margin = self.margin / self.num_samples
        shortest = self.shortest / self.num_samples
        duration = _uniform(*self.duration, (num,), generator).clamp(min=shortest).masked_fill(whole, 1 + 2 * margin)
        duty = least + (greatest - least) * torch.rand(num, generator=generator)
        num_bursts = fewest + ((most - fewest + 1) * torch.rand(num, generator=generator)).long()
        num_bursts = num_bursts.minimum((duration * duty / shortest).long()).clamp(min=1)
        length = torch.maximum(duty / num_bursts, shortest / duration)
        first = torch.arange(MAX_BURSTS) / num_bursts[:, None]
        slots = torch.stack((first, first + length[:, None]), -1)
        slots = torch.where((first < 1)[..., None], slots, 0.0)
        num_channels = num_channels.minimum((1 / (_SPACING * bandwidth)).long()).clamp(min=1)
        channel = (num_channels[:, None] * torch.rand((num, MAX_BURSTS), generator=generator)).long()
        return duration, slots, channel, _SPACING * bandwidth * num_channels

    def _places(self, duration: Tensor, span: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Draw candidates `[emitters, candidates]` for the start, in records, and the centre, in cycles per sample."""
        shape = (len(duration), 1 if self.overlap else _CANDIDATES)
        start = torch.rand(shape, generator=generator) - 0.5 * duration[:, None]
        start = torch.where(duration[:, None] > 1, 0.5 * (1 - duration[:, None]), start)
        centre = (torch.rand(shape, generator=generator) - 0.5) * (1 - span[:, None]).clamp(min=0)
        return start, centre


def _uniform(low: float, high: float, shape: tuple[int, ...], generator: Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def _first_free(scene: Tensor, emitter: Tensor, areas: Tensor) -> tuple[Tensor, Tensor]:
    """Choose for each emitter the first of its areas that meets none of those chosen before in its scene.

    `areas` is `[emitters, candidates, 4]`: start, stop, lowest and highest frequency.

    Returns:
        The candidate chosen, int64 `[emitters, 1]`, and whether there was one.
    """
    num, num_candidates, _ = areas.shape
    chosen, free = torch.zeros(num, 1, dtype=torch.long), torch.ones(num, dtype=torch.bool)
    if num == 0 or num_candidates == 1:
        return chosen, free
    taken = torch.full((int(scene.max()) + 1, int(emitter.max()) + 1, 4), math.nan)  # nothing meets NaN
    for k in range(taken.shape[1]):
        rows = (emitter == k).nonzero().squeeze(1)
        mine, others = areas[rows][:, :, None], taken[scene[rows]][:, None]
        begins, ends = mine[..., ::2] < others[..., 1::2], others[..., ::2] < mine[..., 1::2]
        apart = ~(begins & ends).all(-1).any(-1)
        first = apart.int().argmax(1)
        chosen[rows, 0], free[rows] = first, apart.any(1)
        area = areas[rows, first]
        taken[scene[rows], k] = torch.where(free[rows, None], area, math.nan)
    return chosen, free
