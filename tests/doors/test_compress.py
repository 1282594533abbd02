"""`groundwave compress`, driven as a user would."""

import csv
import json
from pathlib import Path

import pytest
import torch

from groundwave.cli import main
from groundwave.compress.thresholds import Judged
from groundwave.contract import SpectrogramContract
from groundwave.data.store import Store
from groundwave.deploy.export import start_session
from groundwave.model import InputContract, Model
from groundwave.nn.complex import to_channels
from groundwave.nn.heads import LinearHead
from groundwave.recipes import compress
from groundwave.recipes.compress_measured import Candidate
from tests.doors.test_cli import error_of

FAST = ["--epochs", "1", "--shrink", "1.5"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model with steps between which there is room for exits."""
    torch.manual_seed(0)
    model = Model.build("conv4", InputContract(num_samples=128, min_samples=128, max_samples=128), {"width": 8})
    args = {"in_features": model.num_features, "out_features": 3}
    return model.with_head("linear", LinearHead(**args), args, ("BPSK", "GFSK", "AM-DSB")).save(
        tmp_path_factory.mktemp("small") / "model"
    )


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "table.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_whole_cascade(
    tmp_path: Path, small: Path, store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compress, "INTEGER_LOSS", -9)  # so that all integers count as worse than they may be
    out = tmp_path / "out"
    command = ["compress", str(small), "--data", str(store), "--out", str(out), "--budget", "accuracy=-99", *FAST]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "times as fast" in told
    found = rows(out)
    assert [(r["title"], r["backend"]) for r in found] == [
        ("original", "PyTorch"),
        ("original", "ONNX Runtime"),
        ("pruned 1.5 x", "PyTorch"),
        ("pruned 1.5 x", "ONNX Runtime"),
        ("original, INT8", "ONNX Runtime"),
        ("original, INT8 after rehearsal", "ONNX Runtime"),
        ("pruned 1.5 x, INT8", "ONNX Runtime"),
        ("pruned 1.5 x, INT8 after rehearsal", "ONNX Runtime"),
        ("pruned 1.5 x, exits", "PyTorch"),
    ]
    peaks = {row["backend"]: [r["peak_bytes"] for r in found if r["backend"] == row["backend"]] for row in found}
    assert all(peaks["PyTorch"])
    assert not any(peaks["ONNX Runtime"])  # which does not tell
    assert int(found[2]["macs"]) < int(found[0]["macs"])
    assert int(found[-1]["macs"]) > 0
    assert int(found[2]["parameters"]) <= int(found[0]["parameters"]) / 1.5
    page = (out / "report.html").read_text()
    assert "INT8" in page
    assert "Pareto front" in page
    assert sorted(path.name for path in out.iterdir()) in (
        ["model", "model.onnx", "report.html", "table.csv"],
        ["model", "report.html", "table.csv"],
    )
    model = Model.load(out / "model")
    iq = Store.open(store)[torch.arange(8)]["iq"]
    assert model.predict(iq).shape == (8, 3)


def test_a_pruned_model_comes_back_without_what_pruned_it(
    tmp_path: Path, small: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = (small / "model.safetensors").stat().st_size
    out = tmp_path / "out"
    budget = f"size={0.72 * size / 1e3}"
    command = ["compress", str(small), "--data", str(store), "--out", str(out), "--budget", budget, *FAST]
    assert main(command) == 0
    chosen = capsys.readouterr().out
    model = Model.load(out / "model")
    iq = Store.open(store)[torch.arange(8)]["iq"]
    if (out / "model.onnx").exists():
        assert (out / "model.onnx").stat().st_size <= 0.72 * size
        found = start_session(out / "model.onnx").run(None, {"iq": to_channels(iq).numpy()})[0]
        assert found.shape == (8, 3)
    else:
        assert (out / "model" / "model.safetensors").stat().st_size <= 0.72 * size
        assert "pruned" in json.loads((out / "model" / "config.json").read_text())["spec"]["backbone"], chosen
    model.save(tmp_path / "again")
    torch.testing.assert_close(Model.load(tmp_path / "again").predict(iq), model.predict(iq))


def form(title: str, validation: float, ms: float, file_bytes: int) -> Candidate:
    return Candidate(title, "PyTorch", validation, 0.0, {}, 1, 1, file_bytes, None, ms / 1e3, ms / 1e3, 1.0)


def test_of_forms_that_clocks_hardly_tell_apart_the_smallest_is_chosen() -> None:
    original, fast = form("original", 0.90, 5.0, 900), form("fast", 0.90, 1.00, 500)
    small, slower, worse = form("small", 0.90, 1.09, 200), form("slower", 0.90, 1.11, 100), form("worse", 0.80, 0.5, 50)
    found = [original, fast, small, slower, worse]
    assert compress.Budget("accuracy", 0.005).chosen(found) == small
    assert compress.Budget("accuracy", 0.005).chosen([original, fast, slower]) == fast
    assert compress.Budget("latency", 1e-3).chosen(found) == fast


@pytest.mark.parametrize("budget", ["accuracy=0.5", "speed=3", "latency=0", "size=x", "accuracy"])
def test_budgets_that_are_none(
    budget: str, tmp_path: Path, small: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = error_of(capsys, "compress", small, "--data", store, "--out", tmp_path / "x", "--budget", budget)
    assert "--budget accuracy=-0.5" in told
    assert list(tmp_path.iterdir()) == []


def test_an_impossible_budget_says_what_is_reachable(
    tmp_path: Path, small: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compress", small, "--data", store, "--out", tmp_path / "x", "--budget", "latency=0.000001"]
    told = error_of(capsys, *words, *FAST)
    assert "expected at least" in told
    assert " ms, which " in told
    assert list(tmp_path.iterdir()) == []


def test_models_and_data_that_do_not_fit(
    tmp_path: Path, small: Path, encoder: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = ["--data", store, "--out", tmp_path / "x", "--budget", "accuracy=-1"]
    assert "groundwave adapt" in error_of(capsys, "compress", encoder, *rest)
    torch.manual_seed(0)
    model = Model.load(small)
    args = model.spec["head"]["args"]
    other = model.with_head("linear", LinearHead(**args), args, ("BPSK", "LTE", "NR")).save(tmp_path / "other")
    told = error_of(capsys, "compress", other, *rest)
    assert "got records of AM-DSB, GFSK" in told or "got records of GFSK, AM-DSB" in told
    assert "classes that the model was adapted to" in told
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_factors_are_taken_in_ascending_order(
    tmp_path: Path, small: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[float]] = []

    def stop(*given: object, shrink: list[float], **rest: object) -> None:
        asked.append(shrink)
        raise KeyboardInterrupt

    monkeypatch.setattr(compress, "cascade", stop)
    rest = ["--data", str(store), "--out", str(tmp_path / "x"), "--budget", "accuracy=-5", "--shrink", "8", "2", "8"]
    assert main(["compress", str(small), *rest]) == 130
    assert asked == [[2.0, 8.0]]


def test_exits_keep_a_latency_or_say_that_none_does(small: Path) -> None:
    doubt = torch.linspace(0, 0.9, 100)[:, None]
    known = Judged(doubt, torch.stack([doubt[:, 0] < 0.2, doubt[:, 0] < 2], dim=1), "entropy")
    work = compress._Cascade(Model.load(small), {}, compress.Budget("latency", 2e-3), Path(), 1, 0)
    within = work._policy(known, [1e-3, 9e-3])
    assert 0.5 < float((known.leave(within) == 0).double().mean()) < 0.7  # the median record, with its margin
    assert work.notes == []
    beyond = work._policy(known, [3e-3, 9e-3])
    assert "at least 3 ms" in work.notes[0]
    assert known.scores(beyond, [3e-3, 9e-3])[0] <= compress.EXIT_LOSS


def test_a_file_that_grows_is_called_larger() -> None:
    assert compress.sized(4.04) == "4.0 times smaller"
    assert compress.sized(0.8) == "1.2 times larger"


@pytest.mark.parametrize("factor", ["0", "1"])
def test_a_factor_that_shrinks_nothing_is_told_at_once(
    tmp_path: Path, small: Path, store: Path, factor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = ["--data", store, "--out", tmp_path / "x", "--budget", "accuracy=-5", "--shrink", factor]
    assert f"--shrink {factor}" in error_of(capsys, "compress", small, *rest)


def test_a_model_of_spectrograms_becomes_a_file_that_takes_iq(tmp_path: Path) -> None:
    torch.manual_seed(0)
    contract = SpectrogramContract(num_freqs=16, num_frames=16, hop=16, num_averaged=1)
    model = Model.build("vit", contract, {"dim": 16, "depth": 2, "num_heads": 2, "patch": (8, 8)})
    args = {"in_features": model.num_features, "out_features": 2}
    model = model.with_head("linear", LinearHead(**args), args, ("noise", "tone"))
    label = torch.arange(24) % 2
    tone = torch.zeros(24, 1, 16, 16).index_fill_(2, torch.tensor(8), 3.0) * label[:, None, None, None]
    x = tone + torch.randn(24, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    part = compress.Part(x, label, torch.full((24,), float("nan")))
    parts = {"train": part, "validation": part, "test": part}
    budget = compress.Budget("accuracy", 0.99)
    out = tmp_path / "out"
    found, chosen = compress.cascade(model, parts, budget, out=out, shrink=(1.5,), epochs=1, seed=0, title="any")
    forms = [(one.title, one.backend) for one in found]
    assert "INT8 was not tried" in (out / "report.html").read_text()
    assert forms[:2] == [("original", "PyTorch"), ("original", "ONNX Runtime")]
    assert ("pruned 1.5 x", "ONNX Runtime") in forms
    assert abs(found[0].test - found[1].test) < 1e-6
    assert (out / "model.onnx").exists() == (chosen.backend == "ONNX Runtime")
    if chosen.backend == "ONNX Runtime":
        iq = torch.randn(2, 1, contract.transform.num_samples, dtype=torch.complex64)
        answers = start_session(out / "model.onnx").run(None, {"iq": to_channels(iq).numpy()})[0]
        wanted = Model.load(out / "model").predict(contract.transform.cells(iq)["spec"])
        torch.testing.assert_close(torch.as_tensor(answers), wanted, atol=1e-4, rtol=0)
