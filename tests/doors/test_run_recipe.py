"""`groundwave run`: every recipe in small, through the command line."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import groundwave.recipes
from groundwave.arguments import options
from groundwave.bench.rows import read
from groundwave.cli import main
from groundwave.recipes import RECIPES
from groundwave.recipes.semantic_communication import METHODS
from groundwave.recipes.semantic_sets import Pair
from tests.doors.test_cli import error_of
from tests.doors.test_interrupt import command, interrupted
from tests.fake.radioml import write_2016


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_in_small_ends_soon_with_a_value_in_every_cell_and_finds_them_again(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = time.process_time()
    assert main(["run", name, "--smoke", f"runs={tmp_path}", f"results={tmp_path / 'none'}"]) == 0
    assert time.process_time() - start < 30
    files = {path: read(path) for path in (tmp_path / "smoke" / "results").glob("*.jsonl")}
    assert files
    assert all(f"rows of results: {path}" in capsys.readouterr().out for path in list(files)[-1:])
    for path, rows in files.items():
        assert [row.failed for row in rows if row.failed] == []
        assert all(row.protocol == path.stem and row.split_hash and row.config and row.seconds > 0 for row in rows)
    assert not (tmp_path / "none").exists()
    assert main(["run", name, "--smoke", f"runs={tmp_path}"]) == 0
    assert {path: read(path) for path in files} == files


def test_semantic_communication_in_small_takes_a_signal_and_its_spectrogram_for_two_sensors(tmp_path: Path) -> None:
    start = time.process_time()
    words = ["modalities=iq,spectrogram", "--smoke", f"runs={tmp_path}"]
    assert main(["run", "semantic-communication", *words]) == 0
    assert time.process_time() - start < 30
    rows = read(tmp_path / "smoke" / "results" / "semantic-communication.jsonl")
    assert {(row.data, row.failed) for row in rows} == {("modulations (iq,spec)", None)}
    assert {row.metric for row in rows} > {"accuracy without iq", "accuracy without spec", "AUROC of the new class"}
    assert {method.title for method in METHODS.values()} < {row.method for row in rows}


def recipe(
    results: Path = Path("results"), *, snrs: Sequence[float] = (0.0,), data: str = "", smoke: bool = False
) -> Path:
    """Do as a recipe does.

    Args:
        results: folder of rows.
        snrs: at which SNRs.
        data: which data.
        smoke: in small.
    """
    results.mkdir()
    (results / "asked").write_text(f"{snrs} {data} {smoke}")
    return results / "p.jsonl"


def test_settings_are_words_or_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(groundwave.recipes, "RECIPES", {"panel": f"{__name__}:recipe"})
    monkeypatch.setitem(sys.modules, __name__, sys.modules[recipe.__module__])
    assert main(["run", "panel", f"results={tmp_path / 'a'}", "snrs=-4,0,18", "data=x.pkl", "--smoke"]) == 0
    assert (tmp_path / "a" / "asked").read_text() == "[-4.0, 0.0, 18.0] x.pkl True"
    assert main(["run", "panel", "--results", str(tmp_path / "b"), "--snrs", "2", "smoke=false"]) == 0
    assert (tmp_path / "b" / "asked").read_text() == "[2.0]  False"
    assert main(["run", "panel", "--help"]) == 0
    assert "at which SNRs." in capsys.readouterr().out
    assert "did you mean '--snrs'" in error_of(capsys, "run", "panel", "snr=4")
    assert "'panel'" in error_of(capsys, "run", "panels")


def test_words_that_set_nothing_stay_as_they_are() -> None:
    assert options(["--a=1", "x", "b_c=1,2", "d=true", "e=false", "/f=g"]) == [
        *("--a=1", "x", "--b-c", "1", "2", "--d", "/f=g"),
    ]


def test_a_real_file_takes_the_place_of_the_replica(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    names = ("8PSK", "AM-DSB", "BPSK", "PAM4", "QAM16", "QAM64", "QPSK", "WBFM")
    cells = {(name, snr): draw.standard_normal((150, 2, 128)) for name in names for snr in (0, 10)}
    file = write_2016(tmp_path / "RML.pkl", cells)
    words = ["methods=cumulants", f"data={file}", "episodes=2", "snrs=0,10", f"results={tmp_path}", "seeds=0"]
    assert main(["run", "fewshot", *words, "new=QPSK,BPSK,QAM16", f"runs={tmp_path / 'runs'}"]) == 0
    rows = read(tmp_path / "fewshot.jsonl")
    assert {(row.data, row.snr_db, row.shots) for row in rows} == {
        ("RML.pkl", s, k) for s in (0.0, 10.0, None) for k in (1, 5)
    }
    assert all(row.failed is None and row.config["new"] == ["BPSK", "QAM16", "QPSK"] for row in rows)
    assert all(len(row.config["data_sha256"]) == 12 for row in rows)


def test_other_data_and_one_model_for_all_snrs(tmp_path: Path) -> None:
    words = ["--smoke", "data=fixed", "methods=protonet,cumulants", "joint=true", "shots=5", f"runs={tmp_path}"]
    assert main(["run", "fewshot", *words]) == 0
    rows = read(tmp_path / "smoke" / "results" / "fewshot.jsonl")
    assert {row.method for row in rows} == {"ProtoNet, one for all SNRs", "cumulants + logistic"}
    assert {(row.data, row.failed) for row in rows} == {("radioml fixed", None)}
    assert [path.name for path in (tmp_path / "smoke" / "new-classes" / "protonet-conv4").iterdir()] == ["all"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["data=published"], "unknown data (neither a path nor a replica) 'published'"),
        (["methods=lms"], "did you mean 'lsm'"),
        (["by=group"], "by=group; expected groups or records"),
    ],
)
def test_mistakes_are_told(words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told in error_of(capsys, "run", "contrastive", "--smoke", *words, f"runs={tmp_path}")
    assert not list(tmp_path.rglob("*.jsonl"))


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("rounds=0", "rounds 0; expected a whole number, at least 1; change rounds"),
        ("epochs=0", "epochs 0; expected at least 1; change epochs"),
        ("width=0", "encoders of width 0; expected a whole number, at least 1; change width"),
        ("common=0.5,1.5", "common=1.5; expected a share from 0 to 1"),
        ("lamda=-1", "lamda=-1.0; expected a weight of 0 or more"),
        ("engine=rai", "did you mean 'ray'"),
        ("snr_db=.nan", "snr_db (nan, nan); expected lowest and highest, within 200 dB"),
        ("num_symbols=0", "num_symbols 0; expected a budget of at least one symbol"),
    ],
)
def test_settings_of_semantic_communication_that_cannot_be_are_refused_before_any_work(
    word: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pair, "records", lambda *_: pytest.fail("records were made"))
    words = ["run", "semantic-communication", word, f"results={tmp_path}", f"runs={tmp_path}"]
    for more in ([], ["--smoke"]):
        assert told in error_of(capsys, *words, *more)
    assert not list(tmp_path.rglob("*.jsonl"))


def test_fidelity_of_no_epochs_is_refused_before_any_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["epochs=0", "networks=vtcnn2", f"results={tmp_path}", f"runs={tmp_path}"]
    assert "epochs 0; expected a whole number, at least 1" in error_of(capsys, "run", "fidelity", *words)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there")
def test_a_recipe_goes_on_after_ctrl_c_and_has_each_row_once(tmp_path: Path) -> None:
    rows = tmp_path / "smoke" / "results" / "contrastive.jsonl"
    words = command("run", "contrastive", "--smoke", f"runs={tmp_path}")
    told = interrupted(words, lambda: rows.exists() and rows.read_bytes().count(b"\n") > 2)
    assert "the rows and whole epochs so far are kept" in told
    before = read(rows)
    subprocess.run(words, check=True, capture_output=True)
    after = read(rows)
    assert after[: len(before)] == before
    assert len(after) == len({row.method for row in after}) > len(before)
    assert not any(row.failed for row in after)
