"""Labels on long recordings, against the truth of the scene `bursts`, by a model that knows the answer."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from groundwave.data.recording import Annotation, Recording
from groundwave.data.sigmf import open_sigmf
from groundwave.data.sigmf_out import write_annotations, write_sigmf
from groundwave.deploy.annotate import annotate, rejoin, smooth_path
from groundwave.errors import ContractError
from groundwave.model import InputContract
from groundwave.scenes.bursts import Bursts

CONTRACT = InputContract(num_samples=512, min_samples=256, max_samples=1024)
SCENE = Bursts(duration_s=4.0, num_bursts=6, burst_s=(0.1, 0.4), gap_s=0.05, snr_db=(8.0, 20.0), seed=3)


class Oracle:
    """Knows each burst by its samples; with probability `doubt` it names another class."""

    contract = CONTRACT
    classes = SCENE.classes

    def __init__(self, label_of_sample: Tensor, iq: Tensor, doubt: float = 0.0) -> None:
        self.place = {complex(value): i for i, value in enumerate(iq.tolist())}
        self.truth, self.doubt = label_of_sample, doubt
        self.draw = torch.Generator().manual_seed(0)

    def predict(self, iq: Tensor) -> Tensor:
        middle = torch.tensor([self.place[complex(row[len(row) // 2])] for row in iq.cpu()])
        label = self.truth[middle].clamp_min(0)
        wrong = torch.rand(len(label), generator=self.draw) < self.doubt
        label = torch.where(wrong, (label + 1) % len(self.classes), label)
        return 0.9 * torch.nn.functional.one_hot(label, len(self.classes)) + 0.1 / len(self.classes)


def in_memory(iq: Tensor) -> Recording:
    array = iq.numpy()[None]
    return Recording("test", Path("test.cf32"), 2e5, len(iq), 1, lambda start, count: array[:, start : start + count])


def truth_of(bursts: list) -> tuple[Tensor, Tensor]:
    iq, truth = SCENE.recording(0)
    label = torch.full((len(iq),), -1)
    for burst in truth:
        label[burst.start : burst.start + burst.count] = burst.label
    return iq, label


@pytest.mark.parametrize("doubt", [0.0, 0.3])
def test_every_burst_is_found_once_with_its_label(doubt: float) -> None:
    iq, bursts = SCENE.recording(0)
    _, label = truth_of(bursts)
    found = annotate(Oracle(label, iq, doubt), in_memory(iq))  # type: ignore[arg-type]
    assert [a.label for a in found] == [b.modulation for b in bursts]
    np.testing.assert_allclose([a.start for a in found], [b.start for b in bursts], atol=1024)
    np.testing.assert_allclose([a.count for a in found], [b.count for b in bursts], atol=2048)
    assert all(0.5 < a.confidence <= 0.95 for a in found)


def test_a_lasting_change_of_label_splits_a_segment() -> None:
    iq, _ = SCENE.recording(0)
    draw = torch.Generator().manual_seed(1)
    iq = 0.01 * torch.randn(200_000, dtype=torch.complex64, generator=draw)
    iq[50_000:150_000] += torch.exp(0.1j * torch.arange(100_000)) + 0.01 * torch.rand(100_000, generator=draw)
    label = torch.where(torch.arange(200_000) < 90_000, 2, 5)
    found = annotate(Oracle(label, iq), in_memory(iq))  # type: ignore[arg-type]
    assert [a.label for a in found] == [SCENE.classes[2], SCENE.classes[5]]
    assert abs(found[1].start - 90_000) <= 1024
    assert found[0].start + found[0].count == found[1].start


def test_path_does_not_follow_a_single_window() -> None:
    probabilities = np.full((20, 2), 0.1)
    probabilities[:, 0] = 0.9
    probabilities[10] = [0.0, 1.0]
    np.testing.assert_array_equal(smooth_path(probabilities), 0)
    np.testing.assert_array_equal(smooth_path(probabilities, switch_cost=0.0), probabilities.argmax(axis=1))


def test_path_is_the_best_of_all_paths() -> None:
    draw = np.random.default_rng(0)
    probabilities = draw.dirichlet(np.ones(3), size=6)
    score = np.log(np.maximum(probabilities, 0.02))

    def total(path: np.ndarray) -> float:
        return float(score[np.arange(6), path].sum() - 1.0 * (np.diff(path) != 0).sum())

    every = np.stack(np.meshgrid(*[range(3)] * 6), axis=-1).reshape(-1, 6)
    best = max(every, key=total)
    np.testing.assert_allclose(total(smooth_path(probabilities, switch_cost=1.0)), total(best))


def test_rejoined_across_a_pause_only_with_the_same_label() -> None:
    parts = [
        Annotation(0, 100, "a", confidence=0.9),
        Annotation(150, 300, "a", confidence=0.5),
        Annotation(460, 5, "b"),
    ]
    whole = Annotation(0, 450, "a", confidence=0.6)
    assert rejoin(parts, max_pause=50) == [whole, parts[2]]
    assert rejoin(parts, max_pause=49) == parts


def test_another_number_of_channels_is_refused() -> None:
    iq, bursts = SCENE.recording(0)
    two = replace(in_memory(iq), num_channels=2)
    with pytest.raises(ContractError, match="2 channels"):
        annotate(Oracle(truth_of(bursts)[1], iq), two)  # type: ignore[arg-type]


def test_annotations_survive_the_disk_beside_the_users_own(tmp_path: Path) -> None:
    iq, bursts = SCENE.recording(0)
    meta = write_sigmf(tmp_path / "air", iq.numpy(), 2e5)
    before = meta.read_bytes()
    opened = open_sigmf(meta)
    found = annotate(Oracle(truth_of(bursts)[1], torch.from_numpy(opened.read(0, len(iq))[0])), opened)  # type: ignore[arg-type]
    path = write_annotations(opened, found)
    assert path.name == "air.groundwave.sigmf-meta"
    assert meta.read_bytes() == before
    read_back = json.loads(path.read_text())["annotations"]
    assert [a["core:label"] for a in read_back] == [b.modulation for b in bursts]


LONG = """
import numpy as np, resource, sys, torch
from pathlib import Path
from groundwave.data.raw import open_raw
from groundwave.deploy.annotate import annotate
from groundwave.model import InputContract
class Fake:
    contract = InputContract(num_samples=1024, min_samples=256, max_samples=2048)
    classes = ("a", "b")
    def predict(self, iq):
        return torch.full((len(iq), 2), 0.5)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = annotate(Fake(), open_raw(Path(sys.argv[1]), sample_rate_hz=1e6))
print(len(found), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    """256 MB of cs8 samples (a sparse file with a burst): 1 GB as complex64, read with far less."""
    path = tmp_path / "long.cs8"
    burst = (100 * np.random.default_rng(0).standard_normal(200_000)).clip(-127, 127).astype(np.int8)
    with path.open("wb") as file:
        file.truncate(256 << 20)
        for second in range(3):
            file.seek((40 + 60 * second) << 20)
            file.write(burst // 50)
            file.write(burst)
            file.write(burst // 50)
    ran = subprocess.run([sys.executable, "-c", LONG, str(path)], capture_output=True, text=True, check=True)
    found, grown = ran.stdout.split()
    assert int(found) == 3
    assert float(grown) < 200
