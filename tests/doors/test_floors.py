"""The house rules that a machine can check: floors, names, sizes, and comparisons that assert."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "groundwave").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FORBIDDEN = {"utils", "util", "common", "helpers", "helper", "misc", "core", "base"}
QUIET = {"allclose", "isclose", "array_equal", "equal"}  # these return instead of raising


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    command = [sys.executable, "-c", program, "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def copied(tmp_path: Path) -> Path:
    shutil.copytree(
        ROOT / "groundwave", tmp_path / "groundwave", ignore=shutil.ignore_patterns("__pycache__", "weights")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_imports_go_down() -> None:
    ran = lint(ROOT)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("signal/noise.py", "from groundwave.data.store import Store"),  # upward
        ("nn/fft.py", "from groundwave.views import VIEWS"),  # sideways
        ("deploy/export.py", "from groundwave.bench.rows import Row"),  # sideways
        ("errors.py", "import groundwave.cli"),  # from the ground to the roof
    ],
)
def test_a_planted_upward_or_sideways_import_fails(tmp_path: Path, module: str, line: str) -> None:
    folder = copied(tmp_path)
    path = folder / "groundwave" / module
    path.write_text(f"{path.read_text()}\n{line}\n")
    ran = lint(folder)
    assert ran.returncode != 0
    assert "BROKEN" in ran.stdout


def test_no_module_has_a_name_that_says_nothing() -> None:
    names = {path.stem for path in SOURCES} | {path.parent.name for path in SOURCES}
    assert not names & FORBIDDEN


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_too_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 500


def quiet_comparisons(source: str) -> list[int]:
    """Return the lines on which a comparison that only returns stands alone, so that nothing checks it."""
    calls = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr)]
    names = [(call.lineno, call.func) for call in calls if isinstance(call, ast.Call)]
    return [line for line, f in names if (f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "")) in QUIET]


def test_comparisons_in_tests_assert() -> None:
    found = {str(path.relative_to(ROOT)): quiet_comparisons(path.read_text()) for path in TESTS}
    assert not {path: lines for path, lines in found.items() if lines}
    assert quiet_comparisons("import torch\ntorch.allclose(a, b)\nassert torch.equal(a, b)\n") == [2]


def test_randomness_has_an_address() -> None:
    """No draw from torch's or NumPy's global state in the package."""
    offenders = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = ast.unparse(node.func.value)
                draws = owner == "torch" and node.func.attr in {"rand", "randn", "randint", "randperm", "normal"}
                named = any(keyword.arg == "generator" for keyword in node.keywords)
                if (draws and not named) or (owner in ("np.random", "random") and node.func.attr != "Generator"):
                    offenders.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not offenders
