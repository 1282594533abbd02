"""Windows of a recording as a `Source`: cut on demand, labelled by the recording's annotations."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from groundwave.contracts import Record
from groundwave.data.recording import Recording
from groundwave.errors import DataError

COVERAGE = 0.5  # share of a window that an annotation must cover to label it


class RecordingWindows:
    """All whole windows of a recording; their group is the recording."""

    def __init__(
        self,
        recording: Recording,
        num_samples: int,
        *,
        hop: int | None = None,
        classes: Sequence[str] | None = None,
        label: str | None = None,
    ) -> None:
        """Place the windows; nothing is read yet.

        Args:
            recording: Where they are cut from.
            num_samples: Samples per window.
            hop: Samples from one start to the next; the window's length by default.
            classes: Class names; by default the labels of the annotations, sorted. Others count as unlabelled.
            label: One class for every window, instead of the annotations.
        """
        self.recording, self._num_samples = recording, num_samples
        self.starts = torch.tensor([s for starts in recording.starts(num_samples, hop) for s in starts])
        if not len(self.starts):
            raise DataError(
                got=f"{recording.path} with {recording.num_samples} samples",
                expected=f"at least one window of {num_samples}",
                do="ask for shorter windows: --num-samples",
            )
        found = [label] if label else sorted({a.label for a in recording.annotations if a.label})
        self.classes: Sequence[str] = tuple(found if classes is None else classes)
        self.group_names: Sequence[str] = (recording.name,)
        self.groups = torch.zeros(len(self.starts), dtype=torch.int64)
        self.labels = (
            torch.full((len(self.starts),), self.classes.index(label)) if label else self._labels_of_annotations()
        )

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, indices: Tensor) -> Record:
        """Return the windows at `indices` (int64 `[B]`); `start` tells where each begins."""
        starts = self.starts[indices]
        steps = {b - a for a, b in pairwise(starts.tolist())}
        if len(steps) == 1 and (step := steps.pop()) > 0:
            iq = self.recording.cut(range(int(starts[0]), int(starts[-1]) + 1, step), self._num_samples)
        else:
            iq = np.concatenate([self.recording.cut(range(s, s + 1), self._num_samples) for s in starts.tolist()])
        return {
            "iq": torch.from_numpy(iq),
            "label": self.labels[indices],
            "group": self.groups[indices],
            "snr_db": torch.full((len(indices),), torch.nan),
            "sample_rate_hz": torch.full((len(indices),), self.recording.sample_rate_hz, dtype=torch.float64),
            "start": starts,
            "index": indices,
        }

    def _labels_of_annotations(self) -> Tensor:
        """Label each window by the annotation that covers most of it, if that is at least `COVERAGE`."""
        best = torch.full((len(self.starts),), int(np.ceil(COVERAGE * self._num_samples)) - 1)
        labels = torch.full((len(self.starts),), -1)
        codes = {name: code for code, name in enumerate(self.classes)}
        for annotation in self.recording.annotations:
            begin = self.starts.clamp(min=annotation.start)
            end = (self.starts + self._num_samples).clamp(max=annotation.start + annotation.count)
            better = (end - begin) > best
            if annotation.label in codes:
                labels[better] = codes[annotation.label]
                best = torch.where(better, end - begin, best)
        return labels
