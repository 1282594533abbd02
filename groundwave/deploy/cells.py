"""Boxes in time and frequency on a recording, by a model that tells the class of each cell of its spectrogram."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from groundwave.contract import SpectrogramContract, demanded
from groundwave.data.recording import Annotation, Recording
from groundwave.data.spectrograms import Transform
from groundwave.deploy.annotate import tracked
from groundwave.deploy.boxes import MIN_CELLS, Box, GrowingBoxes
from groundwave.errors import ContractError, ModelError
from groundwave.model import Model

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Stretch:
    """A capture as frames: where it starts, its centre frequency (0 where nobody says), and how many frames it has."""

    start: int
    center_hz: float
    num_frames: int


def annotate_cells(
    model: Model, recording: Recording, *, min_cells: int = MIN_CELLS, progress: bool = False
) -> list[Annotation]:
    """Return an annotation with label, edges in samples and Hz, and confidence for each patch of cells of one class.

    The recording becomes spectrograms as the model's contract says, one after the other, the last of a capture ending
    at its end; patches go on from one to the next. A capture with less than `num_frames` frames is taken as it is, one
    with less than `min_frames` is passed over, as is a spectrogram whose cells are all equal (digital silence).
    Confidence is the mean probability of the class over the cells. Memory does not grow with the recording.

    Args:
        model: one of spectrograms whose head tells the class of each cell; its first class is noise.
        recording: of as many channels as the model takes.
        min_cells: smaller patches are dropped.
        progress: whether to draw a progress bar.

    Raises:
        ContractError: a model of another modality, a sample rate or a number of channels that it has not seen, or no
            capture that is long enough.
        ModelError: the model has no head, or one that does not answer for each cell.
    """
    contract = demanded(model.contract, SpectrogramContract, "whose head tells the class of each cell")
    transform = contract.transform_at(recording.sample_rate_hz)
    found: list[Annotation] = []
    for stretch in _stretches(contract, transform, recording):
        for box in _boxes(model, recording, stretch, transform, min_cells, progress):
            found.append(_annotation(box, model.classes[box.label], stretch, transform, recording.sample_rate_hz))
    return sorted(found, key=lambda annotation: (annotation.start, annotation.low_hz))


def _stretches(contract: SpectrogramContract, transform: Transform, recording: Recording) -> list[Stretch]:
    """Return the captures that are long enough; raises `ContractError` when none is, or for other channels."""
    if recording.num_channels != contract.num_channels:
        raise ContractError(
            got=f"{recording.path} with {recording.num_channels} channels",
            expected=f"{contract.num_channels}, as the model was trained on",
            do="select channels before, or use another model",
        )
    ends = [capture.start for capture in recording.captures[1:]] + [recording.num_samples]
    found = []
    for capture, end in zip(recording.captures, ends, strict=True):
        num_windows = max(0, (end - capture.start - transform.num_freqs) // transform.hop + 1)
        found.append(Stretch(capture.start, capture.center_hz or 0.0, num_windows // transform.num_averaged))
    long = [stretch for stretch in found if stretch.num_frames >= contract.min_frames]
    if not long:
        needed = replace(transform, num_frames=contract.min_frames).num_samples
        raise ContractError(
            got=f"{recording.path} with {recording.num_samples} samples",
            expected=f"at least {needed} in one capture, for {contract.min_frames} frames",
            do="give a longer recording; it is not padded, because padding changes what the model sees",
        )
    return long


def _boxes(
    model: Model, recording: Recording, stretch: Stretch, transform: Transform, min_cells: int, progress: bool
) -> Iterator[Box]:
    """Yield the boxes of a capture, in frames from its start, asking the model spectrogram by spectrogram."""
    asked = replace(transform, num_frames=min(transform.num_frames, stretch.num_frames))
    last = stretch.num_frames - asked.num_frames
    firsts = [*range(0, last, asked.num_frames), last]
    spans = [(stretch.start + first * asked.frame_step, asked.num_samples) for first in firsts]
    growing, done = GrowingBoxes(min_cells), 0
    segments = ((start, start + count) for start, count in spans)
    for first, (start, stop) in zip(firsts, tracked(segments, recording.num_samples, progress), strict=True):
        answer = _answer(model, recording.read(start, stop - start), asked)[..., done - first :]
        yield from growing.add(answer.argmax(axis=0), answer.max(axis=0))
        done = first + asked.num_frames
    yield from growing.end()


def _answer(model: Model, iq: npt.NDArray[np.complex64], transform: Transform) -> Probabilities:
    """Return the probabilities `[classes, freq, frames]` of the cells of one spectrogram."""
    spec = transform.cells(torch.from_numpy(iq))["spec"][None]
    if spec.amax() == spec.amin():
        certain = np.zeros((len(model.classes), *spec.shape[-2:]), dtype=np.float32)
        certain[0] = 1.0
        return certain
    answer = model.predict(spec)
    if answer.shape[-2:] != spec.shape[-2:]:
        raise ModelError(
            got=f"a head that answers {list(answer.shape[1:])} to {list(spec.shape[-2:])} cells",
            expected="a class for each cell of a recording's spectrogram",
            do="tune the model for segmentation or occupancy",
        )
    return answer[0].numpy()


def _annotation(box: Box, label: str, stretch: Stretch, transform: Transform, sample_rate_hz: float) -> Annotation:
    """Return what a box says in samples and hertz: a cell reaches half way to its neighbours, within the band."""
    own = min(transform.frame_step, transform.num_freqs * transform.num_averaged)
    lead = max(0, transform.num_freqs - transform.hop) // 2  # before what a frame answers for where windows overlap
    start = stretch.start + box.start * transform.frame_step + lead
    stop = stretch.start + (box.stop - 1) * transform.frame_step + lead + own
    middle = transform.num_freqs // 2 + 0.5
    low, high = ((row - middle) / transform.num_freqs for row in (box.low, box.high))
    return Annotation(
        start=start,
        count=stop - start,
        label=label,
        low_hz=stretch.center_hz + max(low, -0.5) * sample_rate_hz,
        high_hz=stretch.center_hz + min(high, 0.5) * sample_rate_hz,
        confidence=box.confidence,
    )
