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
    assert {
        "modulation-small, frozen",
        "pretrained here, frozen",
        "cumulants + logistic",
        "from scratch",
        "chance",
    } <= methods
    assert len(Model.load(out / "model").classes) == 11
    assert (out / "model.onnx").stat().st_size > 1_000_000
    beside = out / "air" / "bursts.groundwave.sigmf-meta"
    sigmf.SigMFFile(metadata=json.loads(beside.read_text())).validate()
    assert main(["demo", "--smoke", "--out", str(out)]) == 0
    assert "Nothing to do" in capsys.readouterr().out
    before = sorted(path for path in out.rglob("*"))
    for other in (["--seed", "1"], ["--recordings", str(tmp_path)]):
        assert main(["demo", "--smoke", "--out", str(out), *other]) == 2
        assert "a demo of other arguments, which already exists" in capsys.readouterr().err
    assert sorted(path for path in out.rglob("*")) == before


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


def test_windows_that_the_packaged_model_does_not_take_are_told_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "mine.npz", iq=np.ones((8, 32), np.complex64), label=np.arange(8) % 2, group=np.arange(8))
    words = f"demo --recordings {tmp_path / 'mine.npz'} --sample-rate 1e6 --out {tmp_path / 'demo'}"
    assert main(words.split()) == 2
    assert "records of 32 samples; expected at least 256" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize("name", ["air.cf32", "air.cu8", "air.wav", "folder"])
def test_recordings_are_sent_to_ingest(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / name
    path.mkdir() if name == "folder" else path.write_bytes(bytes(100))
    assert main(["demo", "--recordings", str(path), "--out", str(tmp_path / "demo")]) == 2
    assert "make a store first: groundwave ingest" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()
