"""Each command, driven as a user would; each mistake, told in words."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from fake import pictures

import groundwave.bench
from groundwave.bench.rows import Row, append
from groundwave.cli import VERBS, main
from groundwave.data.store import Store
from groundwave.model import Model


def error_of(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    """Run a command that must fail, and return what it says; it must say it without a traceback."""
    capsys.readouterr()
    assert main([str(word) for word in argv]) == 2
    told = capsys.readouterr().err
    assert told.startswith("groundwave: ")
    assert "Traceback" not in told
    return told


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(f"\n  {verb} " in told for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_explains_each_argument(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    assert main([verb, "--help"]) == 0
    told = capsys.readouterr().out
    assert f"usage: groundwave {verb}" in told
    assert (VERBS[verb].__doc__ or "").split()[0] in told


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from groundwave.cli import VERBS, main; main(['--help']); [main([v, '--help']) for v in VERBS];"
        "heavy = {'torch', 'numpy', 'lightning', 'matplotlib', 'sklearn', 'zarr', 'sigmf', 'onnx'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


@pytest.mark.parametrize("own", [None, "ACTIVE"])
def test_threads_sleep_rather_than_spin_unless_the_user_says_otherwise(own: str | None) -> None:
    program = "import os; from groundwave.cli import main; main(['nothing']); print(os.environ['OMP_WAIT_POLICY'])"
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    environment |= {"OMP_WAIT_POLICY": own} if own else {}
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment)
    assert ran.stdout.split() == [own or "PASSIVE"]


def test_module_and_version() -> None:
    ran = subprocess.run([sys.executable, "-m", "groundwave", "--version"], check=True, capture_output=True, text=True)
    assert ran.stdout == f"groundwave {groundwave.__version__}\n"


def test_list_names_members_with_their_first_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "learners"]) == 0
    told = capsys.readouterr().out
    assert "prototypes" in told
    assert "Cosine to the mean" in told


def test_doctor_finds_this_environment_sound(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert "torch" in told
    assert told.endswith("ready\n")


def test_doctor_names_what_is_broken_and_the_remedy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("groundwave.doctor.REQUIRED", ("torch", "no_such_package"))
    assert main(["doctor"]) == 1
    told = capsys.readouterr()
    assert "no_such_package" in told.out
    assert "pip install groundwave" in told.out
    assert "broken" in told.err


def test_generate_is_reproducible_and_takes_the_scenes_settings(tmp_path: Path) -> None:
    settings = ["--num", "30", "--seed", "5", "--scene.num-samples", "64", "--scene.classes", "BPSK", "WBFM"]
    for name in ("a", "b"):
        assert main(["generate", "radioml", "--out", str(tmp_path / name), *settings]) == 0
    first, second = (Store.open(tmp_path / name) for name in ("a", "b"))
    assert tuple(first.classes) == ("BPSK", "WBFM")
    assert (len(first), first.manifest.num_samples) == (30, 64)
    assert [p.files for p in first.manifest.parts] == [p.files for p in second.manifest.parts]


def test_generate_help_shows_the_scenes_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "radioml", "--help"]) == 0
    assert "--scene.samples-per-symbol" in capsys.readouterr().out


def test_embed_writes_features_beside_labels(tmp_path: Path, encoder: Path, store: Path) -> None:
    out = tmp_path / "f.npz"
    assert main(["embed", "--model", str(encoder), "--data", str(store), "--out", str(out)]) == 0
    with np.load(out, allow_pickle=False) as arrays:
        assert arrays["features"].shape == (120, 32)
        np.testing.assert_array_equal(np.bincount(arrays["label"]), [40, 40, 40])
        assert list(arrays["classes"]) == ["BPSK", "GFSK", "AM-DSB"]


def test_adapted_model_knows_its_classes_and_its_card_tells_the_score(adapted: Path) -> None:
    model = Model.load(adapted)
    assert model.classes == ("BPSK", "GFSK", "AM-DSB")
    assert "Macro recall on other groups" in model.card


def test_predict_labels_windows(tmp_path: Path, adapted: Path, store: Path) -> None:
    out = tmp_path / "new" / "folder" / "labels.csv"
    assert main(["predict", str(store), "--model", str(adapted), "--out", str(out)]) == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["index"] for row in rows] == [str(i) for i in range(120)]
    assert {row["label"] for row in rows} <= {"BPSK", "GFSK", "AM-DSB"}
    assert all(1 / 3 <= float(row["confidence"]) <= 1 for row in rows)


def test_bursts_are_written_with_the_truth_and_annotated_beside_it(
    tmp_path: Path, adapted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["--scene.duration-s", "2", "--scene.num-bursts", "2", "--scene.burst-s", "0.2", "0.4"]
    assert main(["generate", "bursts", "--num", "1", "--out", str(tmp_path / "air"), *settings]) == 0
    meta = tmp_path / "air" / "bursts-000.sigmf-meta"
    before = meta.read_bytes()
    assert len(json.loads(before)["annotations"]) == 2
    assert main(["predict", "--model", str(adapted), str(meta)]) == 0
    ours = meta.with_name("bursts-000.groundwave.sigmf-meta")
    labels = [a["core:label"] for a in json.loads(ours.read_text())["annotations"] if "groundwave:confidence" in a]
    assert labels
    assert set(labels) <= {"BPSK", "GFSK", "AM-DSB"}
    assert meta.read_bytes() == before
    assert str(ours) in capsys.readouterr().out
    assert "already exists" in error_of(capsys, "predict", "--model", adapted, meta)


def test_raw_recordings_need_a_sample_rate(tmp_path: Path, adapted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "air.cu8"
    path.write_bytes(bytes(np.random.default_rng(0).integers(100, 156, 40_000, dtype=np.uint8)))
    assert "--sample-rate" in error_of(capsys, "predict", "--model", adapted, path)
    assert main(["predict", "--model", str(adapted), str(path), "--sample-rate", "2e5"]) == 0
    assert (tmp_path / "air.groundwave.sigmf-meta").exists()


def test_ingest_from_raw_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "air.cs8", tmp_path / "store"
    path.write_bytes(bytes(range(256)) * 32)
    assert "--sample-rate" in error_of(capsys, "ingest", path, "--out", out)
    assert not out.exists()
    assert main(["ingest", str(path), "--out", str(out), "--sample-rate", "1e6", "--num-samples", "256"]) == 0
    assert str(out) in capsys.readouterr().out
    assert len(Store.open(out)) == 16


def test_ingest_hands_a_named_format_its_own_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = np.full((12, 16), 200, np.uint8)
    pictures.write_pair(tmp_path / "in" / "a_rgb.png", tmp_path / "in" / "a_depth.png", np.dstack(3 * [counts]), counts)
    words = ["ingest", tmp_path / "in", "--out", tmp_path / "store", "--format", "picture-pairs"]
    assert "--reader.metres-per-count" in error_of(capsys, *words)
    size = ["--reader.height", "12", "--reader.width", "16"]
    assert main([*map(str, words), "--reader.metres-per-count", "0.02", *size]) == 0
    depth = Store.open(tmp_path / "store")[torch.tensor([0])]["depth"]
    torch.testing.assert_close(depth, torch.full((1, 1, 12, 16), 4.0))
    assert "'--reader.height'" in error_of(capsys, *words, "--reader.heigth", "12")
    assert "'picture-pairs'" in error_of(capsys, *words[:-1], "picture-pair")


@pytest.mark.filterwarnings("ignore")  # Lightning's advice, which depends on the machine
def test_arrays_of_my_own_names_need_no_store(tmp_path: Path, encoder: Path) -> None:
    stream = np.random.default_rng(0)
    windows = stream.normal(size=(48, 128, 2)).astype(np.float32).view(np.complex64)[..., 0]
    arrays = {"x": windows, "y": np.arange(48) % 2, "who": np.arange(48) // 4 * 2 + np.arange(48) % 2}
    np.savez(tmp_path / "mine.npz", **arrays, names=["a", "b"])
    data = ["--data", str(tmp_path / "mine.npz"), "--iq", "x", "--group", "who", "--sample-rate", "1e6"]
    labels = ["--label", "y", "--classes", "names", "--model", str(encoder)]
    assert main(["adapt", *data, *labels, "--shots", "2", "--out", str(tmp_path / "adapted")]) == 0
    assert Model.load(tmp_path / "adapted").classes == ("a", "b")
    assert main(["embed", *data, *labels, "--out", str(tmp_path / "f.npz")]) == 0
    with np.load(tmp_path / "f.npz", allow_pickle=False) as found:
        np.testing.assert_array_equal(found["group"], np.unique(arrays["who"], return_inverse=True)[1])
    words = ["--setting", "device", "--epochs", "1", "--batch-size", "16", "--out", str(tmp_path / "run")]
    assert main(["pretrain", *data, *words]) == 0


@pytest.mark.filterwarnings("ignore")  # Lightning's advice, which depends on the machine
def test_pretraining_on_a_raw_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "air.cs8"
    path.write_bytes(bytes(np.random.default_rng(0).integers(0, 256, 8192, dtype=np.uint8)))
    words = ["pretrain", "--data", path, "--num-samples", "256", "--epochs", "1", "--batch-size", "8"]
    assert "--sample-rate" in error_of(capsys, *words, "--out", tmp_path / "run")
    assert main([*map(str, words), "--sample-rate", "1e6", "--out", str(tmp_path / "run")]) == 0


def test_export_writes_onnx_and_says_where_it_has_no_classes(
    tmp_path: Path, encoder: Path, adapted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = {}
    for model in (encoder, adapted):
        out = tmp_path / f"{len(lines)}.onnx"
        capsys.readouterr()
        assert main(["export", "--model", str(model), "--out", str(out)]) == 0
        assert out.stat().st_size > 1000
        lines[model] = capsys.readouterr().out.splitlines()
    width = Model.load(str(encoder)).num_features
    assert f"features (an embedding of {width} numbers)" in lines[encoder][1]
    assert "groundwave adapt" in lines[encoder][1]
    assert len(lines[adapted]) == 1


def protocol(results: Path = Path("results"), *, shots: list[int] = [5], data: Path | None = None) -> Path:  # noqa: B006
    """A protocol for the test.

    Args:
        results: folder of rows.
        shots: labelled records per class.
        data: file of data.
    """
    told = {"protocol": "p", "method": "a", "data": "d", "metric": "accuracy", "n": 9}
    for count in shots:
        value = None if count == 1 else 0.5
        append(results / "p.jsonl", Row(**told, shots=count, value=value, failed=None if value else "no memory"))
    (results / "asked").write_text(f"{shots} {data}")
    return results / "p.jsonl"


def test_bench_calls_the_protocol_with_its_own_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(groundwave.recipes, "PROTOCOLS", {"ism-fewshot": f"{__name__}:protocol"}, raising=False)
    monkeypatch.setitem(sys.modules, __name__, sys.modules[protocol.__module__])
    settings = ["--results", str(tmp_path / "r"), "--shots", "1", "5", "--data", "x.npz"]
    assert main(["bench", "ism-fewshot", *settings]) == 0
    assert (tmp_path / "r" / "asked").read_text() == "[1, 5] x.npz"
    assert "1 of its cells failed, the last one because: no memory" in capsys.readouterr().out
    assert main(["bench", "ism-fewshot", "--help"]) == 0
    assert "labelled records per class." in capsys.readouterr().out
    assert "'ism-fewshot'" in error_of(capsys, "bench", "ism-fewshots")


@pytest.mark.parametrize("verb", ["bench", "run"])
def test_a_command_tells_of_its_own_failures_and_has_failed_where_all_did(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for table in ("PROTOCOLS", "RECIPES"):
        monkeypatch.setattr(groundwave.recipes, table, {"mine": f"{__name__}:protocol"})
    monkeypatch.setitem(sys.modules, __name__, sys.modules[protocol.__module__])
    words = [verb, "mine", "--results", str(tmp_path), "--shots"]
    assert main([*words, "1"]) == 1
    assert "1 of its cells failed, the last one because: no memory" in capsys.readouterr().out
    assert main([*words, "5"]) == 0
    assert "failed" not in capsys.readouterr().out, "it was another command's cell"


def test_report_makes_a_page_and_fills_a_readme(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for episode, snr_db in enumerate((0.0, 10.0, 0.0, 10.0)):
        row = Row(protocol="p", method="a", data="d", metric="accuracy", value=0.5, n=9, shots=5, hardware="test")
        append(tmp_path / "p.jsonl", Row(**{**vars(row), "episode": episode // 2, "snr_db": snr_db}))
    page, readme = tmp_path / "page.html", tmp_path / "README.md"
    assert main(["report", "--results", str(tmp_path), "--out", str(page)]) == 0
    assert "data:image/png" in page.read_text()
    readme.write_text("<!-- results:p -->\n<!-- end -->\n")
    assert main(["report", "--results", str(tmp_path), "--readme", str(readme)]) == 0
    assert "| a | 50.0 ± 0.0 |" in readme.read_text()
    assert "no rows" in error_of(capsys, "report", "--results", tmp_path / "absent", "--out", tmp_path / "x.html")


def test_settings_may_come_from_a_file(tmp_path: Path, encoder: Path, store: Path) -> None:
    config = tmp_path / "embed.yaml"
    config.write_text(f"model: {encoder}\ndata: {store}\nout: {tmp_path / 'f.npz'}\n")
    assert main(["embed", "--config", str(config)]) == 0
    assert (tmp_path / "f.npz").exists()


def test_fields_of_a_setting_are_options(tmp_path: Path) -> None:
    domain = ["--scene.domain.num-devices", "2", "--scene.domain.interference", "tone"]
    domain += ["--scene.domain.sir-db", "1", "2"]
    settings = ["--scene.classes", "QPSK", "--scene.num-samples", "64", "--scene.provenance", *domain]
    assert main(["generate", "modulations", "--num", "8", "--out", str(tmp_path / "air"), *settings]) == 0
    record = Store.open(tmp_path / "air")[torch.arange(8)]
    assert set(record["drawn_device"].tolist()) <= {0.0, 1.0}
    assert ((record["drawn_sir_db"] - 1.5).abs() <= 0.5).all()
