"""An exported file where there is neither PyTorch nor Groundwave: the same annotations on a raw recording."""

import json
import re
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

from groundwave.cli import main
from groundwave.data.raw import open_raw
from groundwave.data.sigmf import open_sigmf

HOUSE = Path(__file__).parents[2]
PAGE = HOUSE / "docs" / "onnx.md"

# Imports come from Python itself, NumPy, ONNX Runtime, and what ONNX Runtime needs; everything else is not there.
ALONE = """
import sys
KNOWN = {"numpy", "onnxruntime", "google", "flatbuffers", "packaging"} | sys.stdlib_module_names
class Bare:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in KNOWN:
            raise ModuleNotFoundError(f"{name} is not installed here", name=name)
sys.meta_path.insert(0, Bare())
program, *sys.argv[1:] = sys.argv[1:]
exec(compile(open(program).read(), program, "exec"))
assert not {"torch", "groundwave", "scipy"} & sys.modules.keys()
"""


def program(tmp_path: Path) -> Path:
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    path = tmp_path / "annotate.py"
    path.write_text(block)
    return path


@pytest.fixture(scope="module", params=["imports blocked", pytest.param("own environment", marks=pytest.mark.slow)])
def bare(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A Python with NumPy and ONNX Runtime alone: by blocked imports in seconds, by a fresh environment in more."""
    if request.param == "imports blocked":
        return [sys.executable, "-c", ALONE]
    home = tmp_path_factory.mktemp("bare")
    venv.create(home, with_pip=True)
    python = str(home / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "-c", str(HOUSE / "constraints.txt"), "numpy", "onnxruntime"]
    subprocess.run(install, check=True)
    return [python, "-I"]


def alone(bare: list[str], tmp_path: Path, *words: Path) -> list[dict[str, object]]:
    command = [*bare, str(program(tmp_path)), *map(str, words)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def streamed(tmp_path: Path, path: Path, model: Path) -> list[dict[str, object]]:
    out = tmp_path / "lines.jsonl"
    command = ["stream", str(path), "--sample-rate", "2e5", "--model", str(model), "--out", str(out)]
    assert main(command) == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    out.unlink()
    return [line for line in lines if "label" in line]


def same(found: list[dict[str, object]], wanted: list[dict[str, object]]) -> None:
    keys = ("label", "start", "count")
    assert [[one[key] for key in keys] for one in found] == [[one[key] for key in keys] for one in wanted]
    np.testing.assert_allclose([one["confidence"] for one in found], [one["confidence"] for one in wanted], atol=2e-3)


def as_cs16(path: Path, iq: np.ndarray) -> Path:
    pairs = np.stack([iq.real, iq.imag], axis=-1) / np.abs([iq.real, iq.imag]).max()
    np.round(32_000 * pairs).astype("<i2").tofile(path)
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, adapted: Path) -> Path:
    out = tmp_path_factory.mktemp("exported") / "model.onnx"
    assert main(["export", "--model", str(adapted), "--out", str(out)]) == 0
    return out


def test_bursts_are_annotated_alike(tmp_path: Path, adapted: Path, exported: Path, bare: list[str]) -> None:
    settings = ["--scene.duration-s", "2", "--scene.num-bursts", "3", "--scene.burst-s", "0.2", "0.4"]
    assert main(["generate", "bursts", "--num", "1", "--out", str(tmp_path / "air"), *settings]) == 0
    recording = open_sigmf(tmp_path / "air" / "bursts-000.sigmf-meta")
    path = as_cs16(tmp_path / "air.cs16", recording.read(0, recording.num_samples)[0])
    wanted = streamed(tmp_path, path, adapted)
    assert len(wanted) >= 3
    same(alone(bare, tmp_path, exported, path), wanted)
    same(streamed(tmp_path, path, exported), wanted)
    in_turns = tmp_path / "turns.ort"
    layout = ["--shapes", "static", "--layout", "interleaved"]
    assert main(["export", "--model", str(adapted), "--out", str(in_turns), *layout]) == 0
    same(alone(bare, tmp_path, in_turns, path), wanted)


def test_a_real_recording_is_annotated_alike_and_may_be_what_is_checked(
    tmp_path: Path, adapted: Path, exported: Path, shared_data: Path, bare: list[str]
) -> None:
    real = open_raw(shared_data / "iq" / "rc_car_light_2475MHz_2Msps.cs8", sample_rate_hz=2e6)
    path = as_cs16(tmp_path / "real.cs16", real.read(0, min(real.num_samples, 200_000))[0])
    same(alone(bare, tmp_path, exported, path), streamed(tmp_path, path, adapted))
    checked = tmp_path / "checked.onnx"
    options = ["--data", str(path), "--sample-rate", "2e6", "--out", str(checked)]
    assert main(["export", "--model", str(adapted), "--tolerance", "1e-3", *options]) == 0


@pytest.mark.parametrize("name", ["torch", "groundwave", "scipy"])
def test_what_is_not_there_cannot_be_imported(name: str, tmp_path: Path, bare: list[str]) -> None:
    (tmp_path / "x.py").write_text(f"import {name}\n")
    ran = subprocess.run([*bare, str(tmp_path / "x.py")], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 1
    assert "ModuleNotFoundError" in ran.stderr
    assert name in ran.stderr
