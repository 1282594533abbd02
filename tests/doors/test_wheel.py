"""The wheel: complete, installable, and every module of it imports."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

IMPORT_ALL = """
import importlib, pkgutil, sys, groundwave
assert groundwave.__file__.startswith(sys.argv[1]), groundwave.__file__
names = [m.name for m in pkgutil.walk_packages(groundwave.__path__, "groundwave.") if not m.name.endswith("__main__")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = out.glob("*.whl")
    return path


def test_wheel_holds_all_that_the_folder_holds(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("groundwave/")}
    package = ROOT / "groundwave"
    wanted = {str(path.relative_to(ROOT)) for path in package.rglob("*.py")} | {"groundwave/py.typed"}
    wanted |= {str(path.relative_to(ROOT)) for path in (package / "weights").rglob("*") if path.is_file()}
    assert wanted <= inside
    assert wheel.stat().st_size < 24e6  # four packaged models take 20 of them


def test_every_module_imports_from_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    """The new environment sees the packages that Groundwave depends on, but not this checkout."""
    home = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    python = next(path for path in (home / "bin" / "python", home / "Scripts" / "python.exe") if path.exists())
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
    zipfile.ZipFile(wheel).extractall(site / "installed")
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    # Appended, so that our own copy comes first; an editable install's hook is not run from here.
    paths = os.pathsep.join([str(site / "installed"), packages])
    ran = subprocess.run(
        [str(python), "-c", IMPORT_ALL, str(site)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) > 60


def test_the_source_archive_takes_every_file_of_the_root_that_is_meant_for_readers() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    taken = set(settings["tool"]["hatch"]["build"]["targets"]["sdist"]["include"])
    assert {path.name for path in ROOT.glob("*.md")} | {"LICENSE", "tests", "docs", "groundwave"} <= taken
    assert all((ROOT / name).exists() for name in taken)


def test_every_package_that_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {name: lines for name, lines in project["optional-dependencies"].items() if name not in ("dev", "oracle")}
    lines = [*project["dependencies"], *(line for some in extras.values() for line in some)]
    declared = {re.split(r"[\[><=]", line)[0].replace("-", "_") for line in lines}
    declared |= {"groundwave", "sklearn", "PIL", "zmq"}  # packages whose modules have another name
    declared |= {"starlette", "pydantic"}  # what fastapi is made of
    trees = [ast.parse(path.read_text()) for path in (ROOT / "groundwave").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} - sys.stdlib_module_names <= declared
