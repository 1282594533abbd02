"""Boxes on recordings: where a burst was put, in samples and hertz; by real models, through the command, validated."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sigmf
import torch
from torch import Tensor

from groundwave.cli import main
from groundwave.contract import CSIContract, InputContract, SpectrogramContract
from groundwave.data.manifest import Array
from groundwave.data.recording import Capture, Recording
from groundwave.data.sigmf import open_sigmf
from groundwave.data.sigmf_out import write_sigmf
from groundwave.data.store import Store
from groundwave.deploy.cells import annotate_cells
from groundwave.errors import ContractError, ModelError
from groundwave.model import Model
from groundwave.nn import BACKBONES
from groundwave.nn.dense import LinearDecoder
from groundwave.nn.heads import LinearHead
from groundwave.nn.vit import ViT

RATE, NUM_FREQS = 1e6, 32
CONTRACT = SpectrogramContract(min_freqs=16, min_frames=4, num_freqs=NUM_FREQS, num_frames=20, hop=NUM_FREQS)


class Threshold:
    """Calls a cell a signal when it stands 13 dB over the noise floor, and counts what it is asked."""

    classes = ("noise", "signal")

    def __init__(self, contract: Any = CONTRACT) -> None:
        self.contract, self.asked = contract, 0

    def predict(self, spec: Tensor) -> Tensor:
        self.asked += 1
        loud = (self.contract.prepare(spec)[:, 0] > 2.2).float()
        return 0.1 + 0.8 * torch.stack([1 - loud, loud], dim=1)


def burst(num: int, start: int, stop: int, frequency: float, width: float = 0.25) -> np.ndarray:
    """Return noise with a band of noise, 30 dB stronger, in some of its samples."""
    draw = np.random.default_rng(0)
    noise = draw.normal(size=(2, num, 2)) @ np.array([1, 1j]) / np.sqrt(2)
    spectrum = np.fft.fft(noise[1][start:stop])
    spectrum[np.abs(np.fft.fftfreq(stop - start)) > width / 2] = 0
    signal = np.fft.ifft(spectrum) * np.exp(2j * np.pi * frequency * np.arange(stop - start))
    iq = 1e-2 * noise[0]
    iq[start:stop] += 10**1.5 * 1e-2 * signal
    return iq.astype(np.complex64)


def in_memory(iq: np.ndarray, captures: tuple[Capture, ...] = (Capture(0),)) -> Recording:
    array = np.atleast_2d(iq)
    read = partial(lambda start, count: array[:, start : start + count])
    return Recording("test", Path("test.cf32"), RATE, array.shape[1], len(array), read, captures=captures)


@pytest.mark.parametrize(("hop", "num_averaged"), [(32, 1), (8, 1), (32, 3), (16, 4)])
def test_a_burst_is_one_box_where_it_was_put(hop: int, num_averaged: int) -> None:
    start, stop = 4000, 12_000  # over several spectrograms
    iq = burst(16_000, start, stop, frequency=-0.125)
    contract = replace(CONTRACT, hop=hop, num_averaged=num_averaged)
    model = Threshold(contract)
    (box,) = annotate_cells(model, in_memory(iq, (Capture(0, 2.4e9),)))  # type: ignore[arg-type]
    assert model.asked > 1
    assert box.label == "signal"
    frame = hop * num_averaged + NUM_FREQS
    assert abs(box.start - start) <= frame
    assert abs(box.start + box.count - stop) <= frame
    splatter = 4 * RATE / NUM_FREQS  # of its sudden ends
    assert box.low_hz == pytest.approx(2.4e9 - 0.25e6, abs=splatter)
    assert box.high_hz == pytest.approx(2.4e9, abs=splatter)
    assert box.confidence == pytest.approx(0.9)


def test_what_is_asked_at_the_end_covers_the_recording_and_edges_stay_inside() -> None:
    iq = burst(5000, 4000, 5000, frequency=0.5, width=0.5)
    found = annotate_cells(Threshold(), in_memory(iq))  # type: ignore[arg-type]
    assert max(a.start + a.count for a in found) == 5000 // 32 * 32
    assert min(a.low_hz for a in found) == -RATE / 2
    assert max(a.high_hz for a in found) == RATE / 2 - 0.5 * RATE / NUM_FREQS, "the cell of both ends is the lowest"


def test_captures_are_kept_apart_and_short_ones_passed_over() -> None:
    iq = burst(6000, 1000, 5000, frequency=0.0)
    captures = (Capture(0, 1e9), Capture(3000, 2e9), Capture(5950, 3e9))
    first, second = annotate_cells(Threshold(), in_memory(iq, captures))  # type: ignore[arg-type]
    assert (round(first.low_hz / 1e9), round(second.low_hz / 1e9)) == (1, 2)
    assert first.start + first.count <= 3000 <= second.start


def test_silence_is_noise_and_a_short_recording_is_taken_as_it_is() -> None:
    assert annotate_cells(Threshold(), in_memory(np.zeros(4000, np.complex64))) == []  # type: ignore[arg-type]
    assert len(annotate_cells(Threshold(), in_memory(burst(300, 100, 200, 0.0)))) == 1  # type: ignore[arg-type]


def test_a_frame_of_stated_length_is_the_mean_of_as_many_windows_as_it_holds() -> None:
    averaging = Threshold(replace(CONTRACT, frame_s=4 * NUM_FREQS / RATE))
    (box,) = annotate_cells(averaging, in_memory(burst(20 * 4 * NUM_FREQS, 1024, 1536, 0.0)))  # type: ignore[arg-type]
    assert averaging.asked == 1
    assert (box.start, box.count) == (1024, 512)


@pytest.mark.parametrize("rate_hz", [9.9e6, 10e6, 10.24e6, 61.44e6])
def test_the_packaged_model_sees_nothing_in_noise_at_either_end_of_its_rates(rate_hz: float) -> None:
    model = Model.load("spectrogram-small")
    assert isinstance(model.contract, SpectrogramContract)
    samples = model.contract.transform_at(rate_hz).num_samples
    iq = (np.random.default_rng(0).normal(size=(2 * samples, 2)) @ np.array([1, 1j])).astype(np.complex64)
    assert annotate_cells(model, replace(in_memory(iq), sample_rate_hz=rate_hz)) == []


def test_what_cannot_be_annotated_is_told() -> None:
    unheard = replace(CONTRACT, sample_rates_hz=(10e6, 60e6))
    with pytest.raises(ContractError, match="1 MS/s; expected 10 to 60 MS/s"):
        annotate_cells(Threshold(unheard), in_memory(np.ones(999, np.complex64)))  # type: ignore[arg-type]
    with pytest.raises(ContractError, match=r"100 samples; expected at least 128 .* 4 frames"):
        annotate_cells(Threshold(), in_memory(np.ones(100, np.complex64)))  # type: ignore[arg-type]
    with pytest.raises(ContractError, match="2 channels"):
        annotate_cells(Threshold(), in_memory(np.ones((2, 999), np.complex64)))  # type: ignore[arg-type]
    for contract in (InputContract(64, 32, 128), CSIContract()):
        with pytest.raises(ContractError, match="expected one of 'spec'"):
            annotate_cells(Threshold(contract), in_memory(np.ones(999, np.complex64)))  # type: ignore[arg-type]


@pytest.fixture
def tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model whose head calls every cell of the upper half of each patch a signal."""
    monkeypatch.setitem(BACKBONES, "vit", partial(ViT, dim=16, depth=1, num_heads=2, patch=(16, 4)))
    args: dict[str, Any] = {"num_features": 16, "num_outputs": 2, "patch": [16, 4]}
    head = LinearDecoder(**args)
    with torch.no_grad():
        head.project.weight.zero_()
        head.project.bias.copy_(torch.cat([torch.zeros(64), torch.tensor([-3.0, 3.0]).repeat_interleave(32)]))
    model = Model.build("vit", CONTRACT).with_head("linear_decoder", head, args, ("noise", "NR"))
    return model.save(tmp_path / "model")


def test_the_command_writes_boxes_that_the_official_validator_accepts(tmp_path: Path, tuned: Path) -> None:
    meta = write_sigmf(tmp_path / "air", burst(3000, 500, 900, 0.1), RATE, captures=[Capture(0, 2e9)])
    assert main(["predict", "--model", str(tuned), str(meta)]) == 0
    path = tmp_path / "air.groundwave.sigmf-meta"
    sigmf.SigMFFile(metadata=json.loads(path.read_text())).validate()
    boxes = json.loads(path.read_text())["annotations"]
    assert [(b["core:freq_lower_edge"], b["core:freq_upper_edge"]) for b in boxes] == [
        (2e9 + (8 - 16 - 0.5) / 32 * RATE, 2e9 - 0.5 / 32 * RATE),
        (2e9 + (24 - 16 - 0.5) / 32 * RATE, 2e9 + 0.5 * RATE - 0.5 / 32 * RATE),
    ]
    assert {(b["core:sample_start"], b["core:sample_count"], b["core:label"]) for b in boxes} == {(0, 2976, "NR")}
    back = open_sigmf(path)
    assert [a.low_hz for a in back.annotations] == [b["core:freq_lower_edge"] for b in boxes]


def test_the_command_tells_what_it_did_not_find(
    tmp_path: Path, tuned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meta = write_sigmf(tmp_path / "air", burst(3000, 500, 900, 0.1), RATE)
    words = ["predict", "--model", str(tuned), str(meta), "--min-cells", "100000"]
    assert main(words) == 0
    assert "nothing but noise, or patches of fewer than 100000 cells" in capsys.readouterr().out
    assert main([*words[:-1], "0", "--out", str(tmp_path / "x.sigmf-meta")]) == 2
    assert "--min-cells 0" in capsys.readouterr().err


def test_the_command_tells_that_a_recording_is_silent(
    tmp_path: Path, tuned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meta = write_sigmf(tmp_path / "air", np.zeros(3000, np.complex64), RATE)
    assert main(["predict", "--model", str(tuned), str(meta)]) == 0
    told = capsys.readouterr().out
    assert "no annotations: the recording holds only zeros" in told
    assert "noise" not in told


def test_a_store_of_windows_is_refused_with_two_ways_out(
    tmp_path: Path, tuned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = {"spec": torch.randn(3, NUM_FREQS, 20), "group": torch.arange(3)}
    arrays = {"spec": Array("float32", (NUM_FREQS, 20))}
    Store.create(tmp_path / "s", classes=(), num_samples=None, arrays=arrays).append(records)
    assert main(["predict", "--model", str(tuned), str(tmp_path / "s")]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "3 windows, of which the model tells the class of each cell; expected a recording" in told
    assert "`Model.predict`" in told


def test_heads_that_do_not_answer_for_cells_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES, "vit", partial(ViT, dim=16, depth=1, num_heads=2, patch=(16, 4)))
    model = Model.build("vit", CONTRACT)
    recording = in_memory(burst(3000, 500, 900, 0.1))
    with pytest.raises(ModelError, match="without a head"):
        annotate_cells(model, recording)
    head = LinearHead(16, 2)
    with pytest.raises(ModelError, match="each cell of a recording"):
        annotate_cells(model.with_head("linear", head, {"num_features": 16, "num_classes": 2}, ("a", "b")), recording)
