"""The main job at its smallest, through the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
import sigmf

from groundwave.bench.rows import read
from groundwave.cli import main
from groundwave.model import Model


def test_the_demo_writes_everything_it_promises_and_a_second_run_costs_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo"
    assert main(["demo", "--smoke", "--out", str(out)]) == 0
    assert str(out / "report.html") in capsys.readouterr().out.replace("\n", "")
    page = (out / "report.html").read_text()
    for heading in ("What a handful of labels is worth", "What is taken for what", "A recording, annotated", "Times"):
        assert heading in page
    assert page.count("data:image/png;base64,") == 4
    assert "http://" not in page.replace("http://www.w3.org", "")
    methods = {row.method for row in read(out / "rows.jsonl")}
    assert {"iq-small, frozen", "pretrained here, frozen", "cumulants + logistic", "from scratch", "chance"} <= methods
    assert len(Model.load(out / "model").classes) == 11
    assert (out / "model.onnx").stat().st_size > 1_000_000
    beside = out / "air" / "bursts.groundwave.sigmf-meta"
    sigmf.SigMFFile(metadata=json.loads(beside.read_text())).validate()
    assert main(["demo", "--smoke", "--out", str(out)]) == 0
    assert "Nothing to do" in capsys.readouterr().out


def test_the_demo_on_my_own_windows(tmp_path: Path) -> None:
    stream = np.random.default_rng(0)
    label = np.arange(3).repeat(24)
    tone = np.exp(2j * np.pi * np.array([0.02, 0.1, 0.3])[label][:, None] * np.arange(256))
    noise = stream.normal(size=(72, 256, 2)) @ [0.3, 0.3j]
    arrays = {"x": (tone + noise).astype(np.complex64), "y": label, "who": np.arange(72) // 6, "names": ["a", "b", "c"]}
    np.savez(tmp_path / "mine.npz", **arrays)
    words = (
        f"--recordings {tmp_path / 'mine.npz'} --sample-rate 1e6 --iq x --label y --group who --classes names --smoke"
    )
    assert main(["demo", *words.split(), "--out", str(tmp_path / "demo")]) == 0
    assert Model.load(tmp_path / "demo" / "model").classes == ("a", "b", "c")
    page = (tmp_path / "demo" / "report.html").read_text()
    assert "A recording, annotated" not in page


def test_windows_without_two_recordings_a_class_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    iq = np.ones((8, 256), np.complex64)
    np.savez(tmp_path / "mine.npz", iq=iq, label=np.arange(8) % 2, group=np.arange(8) % 2)
    words = [
        "demo",
        "--recordings",
        str(tmp_path / "mine.npz"),
        "--sample-rate",
        "1e6",
        "--out",
        str(tmp_path / "demo"),
    ]
    assert main(words) == 2
    assert "gather more recordings" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()


def test_a_bare_recording_is_refused_with_the_way_to_a_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.zeros(4096, np.complex64).tofile(tmp_path / "air.cf32")
    words = [
        "demo",
        "--recordings",
        str(tmp_path / "air.cf32"),
        "--sample-rate",
        "1e6",
        "--out",
        str(tmp_path / "demo"),
    ]
    assert main(words) == 2
    assert "--sample-rate" in capsys.readouterr().err or "groundwave ingest" in capsys.readouterr().err


@pytest.mark.slow
def test_the_protocols_run_on_real_and_simulated_data(shared_data: Path, tmp_path: Path) -> None:
    results = ["--results", str(tmp_path / "results"), "--smoke"]
    data = str(shared_data / "iq" / "ism_433mhz.npz")
    assert main(["bench", "ism-fewshot", "--data", data, "--runs", str(tmp_path / "runs"), *results]) == 0
    rows = read(tmp_path / "results" / "ism-fewshot.jsonl")
    assert {row.shots for row in rows} == {1, 5}
    best = max(row.value for row in rows if row.method == "LSM + attributes" and row.shots == 5)
    assert best > 0.8


def test_pretraining_for_devices_pairs_windows_of_one_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = np.random.default_rng(0)
    (tmp_path / "air").mkdir()
    for name in "ab":
        stream.integers(-99, 99, size=2 * 8 * 256, dtype=np.int16).tofile(tmp_path / "air" / f"{name}.cs16")
    store, run = str(tmp_path / "store"), str(tmp_path / "run")
    words = ["ingest", str(tmp_path / "air"), "--sample-rate", "1e6", "--num-samples", "256", "--out", store]
    assert main(words) == 0
    words = ["pretrain", "--data", store, "--setting", "device", "--epochs", "1", "--batch-size", "8", "--out", run]
    assert main(words) == 0
    towers = Model.load(tmp_path / "run" / "model").spec["backbone"]["args"]["towers"]
    assert towers.keys() == {"carrier", "envelope", "attributes"}
    words[2] = "radioml"
    assert main([*words[:-1], str(tmp_path / "other"), "--num-records", "8"]) == 2
    assert "windows of one recording" in capsys.readouterr().err
