"""Label what is on the air in a long recording: find active segments, classify their windows, merge what agrees."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from groundwave.contract import InputContract, demanded
from groundwave.data.recording import Annotation, Recording
from groundwave.deploy.activity import Detector
from groundwave.errors import ContractError
from groundwave.model import Model

MAX_WINDOWS = 512  # classified per segment: its ends are exact, a change of label inside is placed to 1/512 of it
BATCH = 64
FLOOR = 0.02  # no single window may rule a class out
PAUSE_WINDOWS = 16  # a fade or a pause in speech this long, with the same label on both sides, is no end
SWITCH_COST = 10.0  # nats: a change of label must be worth about three contradicting windows on each side


def annotate(
    model: Model, recording: Recording, *, detector: Detector | None = None, progress: bool = False
) -> list[Annotation]:
    """Return an annotation with label and confidence for everything found in a recording.

    Probabilities of the windows are averaged over a segment. A segment whose label changes for good, as when one
    transmitter follows another without a pause, becomes several annotations: the most probable path of labels when each
    change costs `SWITCH_COST`. Segments of one label with a short pause between them become one. Confidence is the mean
    probability of the label. Memory does not grow with the length of the recording, but for one number per
    `detector.step` samples.

    Args:
        model: an adapted model.
        recording: of as many channels as the model has antennas.
        detector: how active segments are found; by default matched to the model's input length.
        progress: whether to draw a progress bar.

    Raises:
        ContractError: another number of channels, or a model of anything but IQ.
        ModelError: the model has no head.
    """
    contract = _contract(model)
    if recording.num_channels != contract.num_antennas:
        raise ContractError(
            got=f"{recording.path} with {recording.num_channels} channels",
            expected=f"{contract.num_antennas}, as the model was trained on",
            do="select channels before, or use another model",
        )
    found: list[Annotation] = []
    for start, stop in tracked((detector or matched(model)).segments(recording), recording.num_samples, progress):
        found += _label(model, recording, start, stop)
    return rejoin(found, PAUSE_WINDOWS * contract.num_samples)


def _contract(model: Model) -> InputContract:
    return demanded(model.contract, InputContract, "to label segments with")


def matched(model: Model, threshold_db: float = Detector.threshold_db) -> Detector:
    """Return a detector whose shortest segment is the model's shortest input."""
    contract = _contract(model)
    shortest = contract.min_samples
    return Detector(
        threshold_db=threshold_db,
        release_db=threshold_db / 2,
        step=max(1, min(Detector.step, shortest // 2)),
        min_samples=shortest,
        max_gap=contract.num_samples,
    )


def _label(model: Model, recording: Recording, start: int, stop: int) -> Iterator[Annotation]:
    starts, probabilities = _classify(model, recording, start, stop)
    path = smooth_path(probabilities)
    changes = np.flatnonzero(np.diff(path)) + 1
    edges = [start, *(int(starts[i]) for i in changes), stop]
    for part, first, last in zip(np.split(np.arange(len(path)), changes), edges[:-1], edges[1:], strict=True):
        label = int(path[part[0]]) if len(part) else -1
        if label >= 0:
            confidence = float(probabilities[part, label].mean())
            yield Annotation(first, last - first, label=model.classes[label], confidence=confidence)


def _classify(
    model: Model, recording: Recording, start: int, stop: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return starts `[T]` and probabilities `[T, C]` of windows spread evenly over a segment."""
    size = min(_contract(model).num_samples, stop - start)
    count = min(MAX_WINDOWS, max(1, round((stop - start) / size)))
    starts = (
        np.linspace(start, stop - size, count).astype(np.int64) if count > 1 else np.array([(start + stop - size) // 2])
    )
    kept, parts = [], []
    for batch in np.split(starts, range(BATCH, len(starts), BATCH)):
        iq = np.stack([recording.read(int(first), size) for first in batch])
        heard = (iq != 0).any(axis=(1, 2))  # a gap of digital silence inside a segment says nothing
        if heard.any():
            x = torch.from_numpy(iq[heard])
            parts.append(model.predict(x[:, 0] if recording.num_channels == 1 else x).double().numpy())
            kept.append(batch[heard])
    return np.concatenate(kept), np.concatenate(parts)


def smooth_path(probabilities: npt.NDArray[np.float64], switch_cost: float = SWITCH_COST) -> npt.NDArray[np.int64]:
    """Return the class of each window `[T]` on the best path through `[T, C]` (Viterbi, one cost for all changes)."""
    score = np.log(np.maximum(probabilities, FLOOR))
    best, came_from = score[0], []
    for row in score[1:]:
        top = int(best.argmax())
        stay = best >= best[top] - switch_cost
        came_from.append(np.where(stay, np.arange(len(best)), top))
        best = np.where(stay, best, best[top] - switch_cost) + row
    path = [int(best.argmax())]
    for step in reversed(came_from):
        path.append(int(step[path[-1]]))
    return np.array(path[::-1], dtype=np.int64)


def rejoin(found: Iterable[Annotation], max_pause: int) -> list[Annotation]:
    """Join neighbours with the same label and at most `max_pause` samples between them; confidence by duration."""
    joined: list[Annotation] = []
    for new in found:
        old = joined[-1] if joined else None
        if old is None or old.label != new.label or new.start - (old.start + old.count) > max_pause:
            joined.append(new)
            continue
        weighted = old.count * (old.confidence or 0.0) + new.count * (new.confidence or 0.0)
        count = new.start + new.count - old.start
        joined[-1] = replace(old, count=count, confidence=weighted / (old.count + new.count))
    return joined


def tracked(segments: Iterable[tuple[int, int]], total: int, wanted: bool) -> Iterator[tuple[int, int]]:
    """Yield segments (start, stop) of a recording while a bar shows how far into it they are."""
    if not wanted:
        yield from segments
        return
    from rich.progress import Progress

    with Progress(transient=True) as bar:
        task = bar.add_task("annotating", total=total)
        for start, stop in segments:
            yield start, stop
            bar.update(task, completed=stop)
