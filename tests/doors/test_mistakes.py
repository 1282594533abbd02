"""What users get wrong at the doors: a clear error, nothing written, nothing lost."""

import errno
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import groundwave.train
from groundwave import catalogue
from groundwave.arguments import add_signature, parser_of
from groundwave.cli import SHARED, VERBS, main
from groundwave.data import READERS
from groundwave.model import Model
from groundwave.recipes import PROTOCOLS, RECIPES
from groundwave.verbs import doctor
from tests.doors.test_cli import error_of

PRETRAIN = ["--backbone", "lsm", "--epochs", "2", "--batch-size", "60", "--num-samples", "128"]


@pytest.mark.parametrize(
    ("argv", "nearest"),
    [
        (["pretrian"], "'pretrain'"),
        (["list", "learner"], "'learners'"),
        (["generate", "radiomll", "--num", "1", "--out", "x"], "'radioml'"),
        (["pretrain", "--data", "radiom", "--out", "x"], "'radioml'"),
        (["pretrain", "--data", "radioml", "--backbone", "xcitt", "--out", "x"], "'xcit'"),
        (["pretrain", "--data", "radioml", "--objective", "lsn", "--out", "x"], "'lsm'"),
        (["generate", "radioml", "--num", "1", "--out", "x", "--scene.classes", "BPSKK"], "'BPSK'"),
        (["generate", "radioml", "--num", "1", "--out", "x", "--scene.version", "fixd"], "'fixed'"),
        (["generate", "radioml", "--num", "1", "--out", "x", "--scene.clases", "BPSK"], "'--scene.classes'"),
        (["pretrain", "--data", "radioml", "--out", "x", "--epoch", "3"], "'--epochs'"),
        (["pretrain", "--data", "radioml", "--out", "x", "--batchsize=3"], "'--batch-size'"),
    ],
)
def test_unknown_names_offer_the_nearest(
    argv: list[str], nearest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    told = error_of(capsys, *argv)
    assert "did you mean" in told
    assert nearest in told
    assert list(tmp_path.iterdir()) == []


OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*(?:\.[a-z][a-z-]*)*(?!\w|-|\.[A-Z])")


def test_what_we_say_names_options_that_there_are() -> None:
    files = [file for file in Path(groundwave.train.__file__).parent.rglob("*.py") if file.name != "page.py"]  # CSS
    said = {option for file in files for option in OPTION.findall(file.read_text())}
    known = {"--help", "--version"}
    for name, verb in VERBS.items():
        known |= parser_of(verb, name)._option_string_actions.keys()
    tables = {"scene.": (catalogue.scenes(), catalogue.scene_of), "reader.": (READERS, catalogue.format_of)}
    recipes = {**dict.fromkeys(RECIPES, catalogue.recipe_of), **dict.fromkeys(PROTOCOLS, catalogue.protocol_of)}
    own = [(find(name), prefix) for prefix, (table, find) in tables.items() for name in table]
    for member, prefix in [*own, *((find(name), "") for name, find in recipes.items())]:
        parser = parser_of(doctor, "x")
        add_signature(parser, member, prefix=prefix, skip=SHARED.get(prefix, ()))
        known |= parser._option_string_actions.keys()
    assert {"--reader.times", "--sample-rate"} <= said <= known


def test_unknown_learner_and_model(
    tmp_path: Path, encoder: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = ["--data", store, "--shots", "5", "--out", tmp_path / "m"]
    assert "'ridge'" in error_of(capsys, "adapt", "--model", encoder, "--learner", "rigde", *rest)
    assert "neither a folder nor" in error_of(capsys, "adapt", "--model", "iq-smal", *rest)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["embed", "--model", "m"], "required"),
        (["pretrain", "--data", "radioml", "--out", "x", "--epochs", "many"], "epochs"),
        (["pretrain", "--data", "radioml", "--out", "x", "--epoch-count", "3"], "--epoch-count"),
        (["generate", "radioml", "--num", "0", "--out", "x"], "at least 1"),
        (["ingest", "air.cu8", "--out", "x", "--hop", "0"], "--hop 0; expected at least 1"),
        (["pretrain", "--data", "radioml", "--out", "x", "--epochs", "-1"], "epochs -1; expected at least 1"),
        (["pretrain", "--data", "radioml", "--out", "x", "--epochs", "0"], "epochs 0; expected at least 1"),
        (["pretrain", "--data", "radioml", "--out", "x", "--lr", "0"], "lr 0.0; expected a positive number"),
        (["pretrain", "--data", "radioml", "--out", "x", "--batch-size", "0"], "batch size of 0"),
        (["pretrain", "--data", "radioml", "--out", "x", "--num-samples", "16"], "expected at least 25"),
        (["export", "--model", "absent", "--out", "x.foo"], "x.foo; expected a file that ends in .onnx or .ort"),
        (["export", "--model", "absent", "--out", "x"], "x; expected a file that ends in .onnx or .ort"),
    ],
)
def test_wrong_arguments_are_named(
    argv: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert told in error_of(capsys, *argv)
    assert list(tmp_path.iterdir()) == []


def test_existing_outputs_are_kept(
    tmp_path: Path, encoder: Path, adapted: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("precious")
    for argv in (
        ["generate", "radioml", "--num", "1", "--out", mine],
        ["ingest", store, "--out", mine],
        ["pretrain", "--data", store, "--out", mine],
        ["adapt", "--model", encoder, "--data", store, "--shots", "2", "--out", mine],
        ["embed", "--model", encoder, "--data", store, "--out", mine],
        ["predict", store, "--model", adapted, "--out", mine],
        ["export", "--model", adapted, "--out", mine],
    ):
        assert "already exists" in error_of(capsys, *argv)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "thesis.txt"]


def test_outputs_that_cannot_be_made_are_told_before_the_work(
    tmp_path: Path, encoder: Path, adapted: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("precious")
    out = tmp_path / "file" / "deeper" / "x"
    for argv in (
        ["demo", "--out", out],
        ["generate", "radioml", "--num", "1", "--out", out],
        ["ingest", store, "--out", out],
        ["pretrain", "--data", store, "--out", out],
        ["adapt", "--model", encoder, "--data", store, "--shots", "2", "--out", out],
        ["predict", store, "--model", adapted, "--out", out],
        ["embed", "--model", encoder, "--data", store, "--out", out],
        ["bench", "modulation-fewshot", "--results", out],
        ["export", "--model", adapted, "--out", out],
        ["report", "--out", out],
    ):
        assert f"but {tmp_path / 'file'} is a file" in error_of(capsys, *argv)
    assert [path.name for path in tmp_path.rglob("*")] == ["file"]


@pytest.mark.parametrize("shots", [0, -2])
def test_no_shots(tmp_path: Path, encoder: Path, store: Path, shots: int, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["adapt", "--model", encoder, "--data", store, f"--shots={shots}", "--out", tmp_path / "m"]
    assert f"num_shots {shots}; expected at least 1" in error_of(capsys, *words)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_with_a_remedy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "runs/x")

    monkeypatch.setitem(VERBS, "doctor", full)
    assert "no space left on the disk while writing runs/x; free some space" in error_of(capsys, "doctor")


def test_an_unknown_table_is_told_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "nothing"]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell with pipes")
@pytest.mark.parametrize("words", ["list learners", "--help", "adapt --help"])
def test_a_reader_that_goes_away_is_no_error(words: str) -> None:
    script = f"{sys.executable} -m groundwave {words} | true; exit ${{PIPESTATUS[0]}}"
    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("damage", ["hash", "missing", "config"])
def test_a_damaged_model_is_refused(
    tmp_path: Path, adapted: Path, store: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "model"
    shutil.copytree(adapted, broken)
    weights = broken / "model.safetensors"
    if damage == "hash":
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
    elif damage == "missing":
        weights.unlink()
    else:
        (broken / "config.json").write_text("{")
    assert "copy the folder again" in error_of(
        capsys, "predict", store, "--model", broken, "--out", tmp_path / "labels.csv"
    )
    assert not (tmp_path / "labels.csv").exists()


def test_a_model_without_a_head_says_what_to_run(
    tmp_path: Path, encoder: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = error_of(capsys, "predict", store, "--model", encoder, "--out", tmp_path / "x.csv")
    assert "groundwave adapt" in told


def test_too_many_shots(tmp_path: Path, encoder: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "m"
    told = error_of(capsys, "adapt", "--model", encoder, "--data", store, "--shots", "99", "--out", out)
    assert "fewer shots" in told
    assert not out.exists()


@pytest.mark.filterwarnings("ignore")  # Lightning's advice, which depends on the machine
def test_interrupted_pretraining_resumes_to_the_same_weights(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["pretrain", "--data", str(store), *PRETRAIN]
    assert main([*command, "--out", str(tmp_path / "whole")]) == 0
    asked = groundwave.train.generator

    def interrupt(seed: int, *path: str | int, **settings: object) -> torch.Generator:
        if path[:2] == ("step", 3):
            raise KeyboardInterrupt
        return asked(seed, *path, **settings)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(groundwave.train, "generator", interrupt)
        assert main([*command, "--out", str(tmp_path / "torn")]) == 130
    assert "run the same command again" in capsys.readouterr().err
    assert not (tmp_path / "torn" / "model").exists()
    assert main([*command, "--out", str(tmp_path / "torn")]) == 0
    whole, torn = (Model.load(tmp_path / name / "model").modules().state_dict() for name in ("whole", "torn"))
    torch.testing.assert_close(torn, whole, rtol=0, atol=0)


def test_interrupted_short_command_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("groundwave.recipes.generate.SceneSource.__getitem__", interrupt)
    assert main(["generate", "radioml", "--num", "10", "--out", str(tmp_path / "s")]) == 130
    assert "run the same command again" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_scene_without_iq_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pretrain", "--data", "spectrogram", "--modality", "iq", "--out", str(tmp_path / "run")]) == 2
    assert "--modality spec" in capsys.readouterr().err
