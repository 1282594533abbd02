"""Folders that appear whole or not at all."""

from pathlib import Path

import pytest
from fake.records import no_space

from groundwave.atomic import folder_atomically
from groundwave.errors import DataError, OutputExistsError


def make(target: Path, error: BaseException | None = None) -> None:
    with folder_atomically(target) as draft:
        (draft / "inner").mkdir(parents=True)
        (draft / "inner" / "file").write_text("whole")
        assert not target.exists()
        if error:
            raise error


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    make(tmp_path / "new" / "out")
    assert (tmp_path / "new" / "out" / "inner" / "file").read_text() == "whole"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "new" / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_what_exists_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputExistsError, match="out"):
        make(tmp_path / "out")
    assert list(tmp_path.rglob("*")) == [tmp_path / "out"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError()])
def test_a_failure_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        make(tmp_path / "out", error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["os.fsync", "pathlib.Path.write_text", "tempfile.mkdtemp"])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(where, no_space)
    with pytest.raises(DataError, match=r"no space left on the disk while writing .*out; .*free some space"):
        make(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
