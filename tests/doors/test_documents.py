"""The documents are true: what they name exists, what they show runs, and their diffs still apply."""

import ast
import functools
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from groundwave import __version__, cli
from groundwave.bench.rows import Row

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "groundwave"
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {document.name: document.read_text() for document in DOCUMENTS}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# What a command or a model folder writes, as opposed to what is in the repository.
WRITTEN = re.compile(r"runs/|stores/|models/|part-\d|manifest\.json|run\.json|config\.json|model\.safetensors|\.")


def blocks(name: str, language: str) -> list[str]:
    return [body for tongue, body in BLOCK.findall(TEXTS[name]) if tongue == language]


def spans(name: str) -> list[str]:
    """Return what stands between single backticks outside of blocks."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", BLOCK.sub("", TEXTS[name]))


def commands() -> Iterator[str]:
    for name in TEXTS:
        for body in blocks(name, "bash"):
            yield from (line.partition("#")[0].strip() for line in body.splitlines() if line.startswith("groundwave "))
        yield from (span for span in spans(name) if span.startswith("groundwave ") and "VERB" not in span)


@functools.cache
def identifiers() -> frozenset[str]:
    """Return every name that the package or its tests define or import."""
    found = {path.stem for path in PACKAGE.rglob("*.py")} | {"groundwave", "pretrain"}
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                found.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.alias):
                found.update((node.asname or node.name).split("."))
            elif isinstance(node, ast.arg):
                found.add(node.arg)
    return frozenset(found)


def looks_like_code(span: str) -> bool:
    """Return whether a span is a table, a class, a dotted name or a call (and no file name)."""
    name = span.partition("(")[0]
    return bool(re.fullmatch(r"[A-Za-z_][\w.]*", name)) and (
        "(" in span or bool(re.fullmatch(r"[A-Z][A-Z_]{3,}|[A-Z]\w*[a-z]\w*(\.\w+)?|groundwave(\.\w+)+", name))
    )


def looks_like_path(span: str) -> bool:
    return bool(re.fullmatch(r"[\w./-]+", span)) and ("/" in span or span.endswith((".py", ".md", ".toml", ".txt")))


@pytest.mark.parametrize(
    ("name", "span"), [(n, s) for n in TEXTS for s in dict.fromkeys(spans(n)) if looks_like_path(s)]
)
def test_paths_exist(name: str, span: str) -> None:
    if WRITTEN.match(span):
        assert "/" not in span or span.split("/")[0] not in ("groundwave", "tests", "docs")
    else:
        assert any((home / span).exists() for home in (ROOT, PACKAGE)), f"{name} names {span}"


@pytest.mark.parametrize(
    ("name", "span"), [(n, s) for n in TEXTS for s in dict.fromkeys(spans(n)) if looks_like_code(s)]
)
def test_names_exist(name: str, span: str) -> None:
    missing = set(span.partition("(")[0].split(".")) - identifiers() - {"torch", "testing", "assert_close"}
    assert not missing, f"{name} names {span}"


def test_a_name_that_is_not_there_would_be_found() -> None:
    assert looks_like_code("BACKBONEZ")
    assert looks_like_path("nn/nothing.py")
    assert "BACKBONEZ" not in identifiers()
    assert {"BACKBONES", "InputContract", "Store", "verify"} <= identifiers()


@pytest.mark.parametrize(
    ("document", "target"),
    [
        (d, t)
        for d in DOCUMENTS
        for t in re.findall(r"\]\(([^)#]+)[^)]*\)", BLOCK.sub("", d.read_text()))
        if "://" not in t
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_links_resolve(document: Path, target: str) -> None:
    assert (document.parent / target).exists()


@pytest.mark.parametrize("command", dict.fromkeys(commands()))
def test_commands_parse(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, verb, *words = shlex.split(command)
    if not words or "PROTOCOL" in words:  # a mention of the verb, not an example
        assert verb in cli.VERBS
        return
    called: list[dict[str, Any]] = []

    def recorder(*args: Any, **arguments: Any) -> None:
        called.append(arguments)

    monkeypatch.setitem(cli.VERBS, verb, functools.wraps(cli.VERBS[verb])(recorder))
    assert cli.run(verb, words) == 0
    assert called


@pytest.mark.parametrize(
    "target", sorted({t for text in TEXTS.values() for t in re.findall(r"`?make ([\w-]+)`", text)})
)
def test_make_targets_exist(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_example_of_tuning_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny = ("--num", "12", "--scene.num-freqs", "64", "--scene.num-frames", "32")
    assert cli.main(["generate", "cellular", "--out", "stores/frames", *tiny]) == 0
    (example,) = blocks("tune.md", "python")
    exec(compile(example, "tune.md", "exec"), {})
    told = re.findall(r"^([\w-]+): mIoU \d", capsys.readouterr().out, re.MULTILINE)
    assert told == ["frozen", "ridge", "last-blocks", "lora", "full", "scratch"]
    assert Path("runs/tuned/lora/model/config.json").exists()


def test_the_example_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = blocks("README.md", "python")
    exec(compile(example, "README.md", "exec"), {})
    assert "tensor(" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "adapted").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@pytest.mark.parametrize("diff", blocks("CONTRIBUTING.md", "diff"), ids=lambda diff: diff.split()[-1])
def test_diffs_apply(diff: str) -> None:
    ran = subprocess.run(
        ["git", "apply", "--check", "-"], cwd=ROOT, input=diff, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


def tree() -> dict[str, int | None]:
    """Return the floors that docs/architecture.md draws, by name."""
    drawing = blocks("architecture.md", "")[0]
    lines = re.findall(r"── ([\w.]+)/?\s+(\d+|-)", drawing)
    return {name.removesuffix(".py"): None if floor == "-" else int(floor) for name, floor in lines}


def test_the_drawn_folders_are_the_folders() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    files = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert tree().keys() == folders | files


def test_the_drawn_floors_are_the_layers() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    layers = [layer.split(" | ") for layer in reversed(contract["layers"])]
    assert {name: floor for name, floor in tree().items() if floor is not None} == {
        name: floor for floor, names in enumerate(layers) for name in names
    }


def test_every_dependency_has_its_why() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = (project["optional-dependencies"][name] for name in ("deploy", "stream", "serve", "cluster"))
    needed = {re.split(r"[\[><=]", line)[0] for line in sum(extras, project["dependencies"])}
    section = TEXTS["architecture.md"].partition("## Dependencies")[2]
    told = {
        name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`([\w-]+)`", row)
    }
    assert told == needed


def test_the_fields_of_a_result_are_those_of_a_row() -> None:
    drawn = [body.replace(",", " ").split() for body in blocks("architecture.md", "") if "config_hash" in body]
    assert drawn == [[field.name for field in fields(Row)]]


def test_the_changelog_knows_this_version() -> None:
    assert f"## [{__version__}]" in TEXTS["CHANGELOG.md"]
