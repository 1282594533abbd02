"""Recordings and windows as spectrograms in a store: what the cells are, block by block, resumed, or refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake.sigmf import ramp

from groundwave.data import ingest as module
from groundwave.data import part, writer
from groundwave.data.ingest import ingest
from groundwave.data.store import Store
from groundwave.errors import DataError, UnknownNameError
from groundwave.signal.spectrum import istft, spectrogram_db

SIZE: dict[str, Any] = {"spectrogram": 16, "num_frames": 8}


def recording(folder: Path, num: int = 2000, name: str = "a.cf32") -> Path:
    draw = np.random.default_rng(0).normal(size=(num, 2)).astype(np.float32)
    draw.tofile(folder / name)
    return folder / name


def iq_of(file: Path) -> torch.Tensor:
    return torch.from_numpy(np.fromfile(file, np.complex64))


def test_a_recording_becomes_spectrograms_end_to_end(tmp_path: Path) -> None:
    file = recording(tmp_path)
    store = ingest([file], tmp_path / "out", 1e6, **SIZE)
    assert store.manifest.arrays.keys() == {"spec"}
    assert (len(store), store.manifest.num_samples) == (2000 // 128, None)
    whole = spectrogram_db(iq_of(file), 16, 16)[:, : 15 * 8]
    torch.testing.assert_close(torch.cat([*store[torch.arange(15)]["spec"]], dim=1), whole)
    record = store[torch.tensor([3])]
    assert record["sample_rate_hz"].item() == 1e6
    told = store.manifest.notes["spectrogram"]
    assert (told["num_freqs"], told["num_frames"], told["hop"], told["window"]) == (16, 8, 16, "hann")
    assert told["overlap"] == 0
    assert "unit energy" in told["scaling"]


def test_overlapping_frames_with_phase_hold_all_of_the_signal(tmp_path: Path) -> None:
    file = recording(tmp_path)
    store = ingest([file], tmp_path / "out", 1e6, **SIZE, frame_hop=4, phase=True, window="hamming")
    assert store.manifest.notes["spectrogram"]["overlap"] == 0.75
    record = store[torch.arange(len(store))]
    spectra = torch.polar(10 ** (record["spec"] / 20), record["phase"])
    back = istft(torch.cat([*spectra], dim=1), 4, "hamming")
    torch.testing.assert_close(back[4:-4], iq_of(file)[4 : len(back) - 4], atol=1e-4, rtol=1e-4)


def test_a_frame_can_be_the_mean_power_of_several_windows(tmp_path: Path) -> None:
    file = recording(tmp_path, 5000)
    store = ingest([file], tmp_path / "out", 1e6, **SIZE, average=5)
    single = 10 ** (spectrogram_db(iq_of(file), 16, 16) / 10)
    assert len(store) == 5000 // (8 * 5 * 16)
    for row in range(len(store)):
        for frame in range(8):
            first = (8 * row + frame) * 5
            mean = single[:, first : first + 5].mean(1)
            torch.testing.assert_close(store[torch.tensor([row])]["spec"][0, :, frame], 10 * mean.log10())


def test_windows_and_antennas(tmp_path: Path) -> None:
    windows = np.random.default_rng(1).normal(size=(6, 2, 150, 2)).astype(np.float32)
    iq = windows[..., 0] + 1j * windows[..., 1]
    np.savez(tmp_path / "a.npz", iq=iq.astype(np.complex64), y=["x", "y"] * 3)
    store = ingest([tmp_path / "a.npz"], tmp_path / "out", 1.0, label="y", **SIZE)
    assert store.manifest.arrays["spec"].shape == (2, 16, 8)
    assert store.labels.tolist() == [0, 1] * 3
    wanted = spectrogram_db(torch.from_numpy(iq[4, 1, :128]).to(torch.complex64), 16, 16)
    torch.testing.assert_close(store[torch.tensor([4])]["spec"][0, 1], wanted)


def test_an_interrupted_run_goes_on_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = recording(tmp_path, 40_000)
    whole = ingest([file], tmp_path / "whole", 1e6, **SIZE)
    monkeypatch.setattr(module, "BATCH_BYTES", 1 << 14)
    monkeypatch.setattr(part, "CHUNK_BYTES", 1 << 13)
    monkeypatch.setattr(writer, "PART_BYTES", 1 << 15)
    pieces = ingest([file], tmp_path / "pieces", 1e6, **SIZE)

    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest([file], tmp_path / "out", 1e6, **SIZE, progress=stop)
    done = len(Store.open(tmp_path / "out.partial"))
    assert 0 < done < len(whole)
    with pytest.raises(DataError, match=r"the unfinished store of another command .*spectrogram"):
        ingest([file], tmp_path / "out", 1e6, **SIZE, phase=True)
    again = ingest([file], tmp_path / "out", 1e6, **SIZE)
    rows = torch.arange(len(whole))
    torch.testing.assert_close(again[rows]["spec"], whole[rows]["spec"], rtol=0, atol=0)
    assert [one.files for one in again.manifest.parts] == [one.files for one in pieces.manifest.parts]
    assert len(pieces.manifest.parts) > 1


def test_silence_is_left_out(tmp_path: Path) -> None:
    iq = iq_of(recording(tmp_path)).numpy().copy()
    iq[256:512] = 0
    iq.tofile(tmp_path / "b.cf32")
    store = ingest([tmp_path / "b.cf32"], tmp_path / "out", 1e6, **SIZE)
    assert (len(store), store.manifest.notes["silent"]) == (13, 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_frames": 8}, "--spectrogram NUM_FREQS"),
        ({"phase": True}, "--spectrogram NUM_FREQS"),
        ({"spectrogram": 1}, "1 frequencies by 256 frames"),
        ({"spectrogram": 16, "num_frames": 0}, "0 frames"),
        ({"spectrogram": 16, "frame_hop": 0}, "0 samples apart"),
        ({"spectrogram": 16, "average": 0}, "0 in a frame"),
        ({"spectrogram": 16, "average": 2, "phase": True}, "phases of 2 windows"),
        ({"average": 2}, "--spectrogram NUM_FREQS"),
        ({"spectrogram": 16, "num_samples": 64}, "--num-frames instead"),
        ({"spectrogram": 16, "num_frames": 200}, "--num-samples|fewer frames"),
    ],
)
def test_impossible_options_are_told_and_nothing_is_left(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match=words):
        ingest([recording(tmp_path / "in")], tmp_path / "out", 1e6, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_an_unknown_window_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="hann"):
        ingest([recording(tmp_path)], tmp_path / "out", 1e6, **SIZE, window="han")


def test_windows_that_are_too_short_or_broken_are_told(tmp_path: Path) -> None:
    iq = ramp(600)[:, 0].reshape(6, 100).copy()
    np.savez(tmp_path / "short.npz", iq=iq)
    with pytest.raises(DataError, match=r"100 samples; expected 128 .*--num-frames"):
        ingest([tmp_path / "short.npz"], tmp_path / "out", 1.0, **SIZE)
    iq[4, 50] = np.nan
    np.savez(tmp_path / "nan.npz", iq=iq)
    with pytest.raises(DataError, match="window 4"):
        ingest([tmp_path / "nan.npz"], tmp_path / "out", 1.0, spectrogram=16, num_frames=4)
