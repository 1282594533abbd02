"""`groundwave audit`, driven as a user would."""

import json
from pathlib import Path

import numpy as np
import pytest

from groundwave.cli import main
from tests.doors.test_cli import error_of


def test_a_scene_is_audited_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "audit"
    words = ["audit", "radioml", "--num", "1100", "--scene.version", "as-published", "--out", str(out)]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "[snr]" in told
    assert "AM-SSB" in told
    assert str(out / "audit.html") in told
    content = json.loads((out / "audit.json").read_text())
    assert content["checks"]["empty"]["findings"][0]["about"] == ["AM-SSB"]
    assert content["num_looked_at"] == 1100
    page = (out / "audit.html").read_text()
    assert page.count("<img ") >= 4
    assert "http" not in page.replace("http://www.w3.org", "")
    assert main([*words, "--strict"]) == 1  # and an older report is replaced


def test_a_store_without_findings_passes_strictly(
    tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", str(store), "--out", str(tmp_path / "x"), "--strict"]) == 0
    assert "No findings." in capsys.readouterr().out


def test_names_from_the_data_are_escaped(tmp_path: Path) -> None:
    iq = np.random.Generator(np.random.PCG64(1)).standard_normal((60, 2, 64)).astype(np.float32)
    np.savez(tmp_path / "x.npz", iq=iq, label=np.array(["<b>bad", "good"] * 30), sample_rate_hz=1.0)
    assert main(["audit", str(tmp_path / "x.npz"), "--label", "label", "--out", str(tmp_path / "a")]) == 0
    page = (tmp_path / "a" / "audit.html").read_text()
    assert "&lt;b&gt;bad" in page
    assert "<b>bad" not in page


def test_mistakes_are_told(tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", tmp_path / "x"]
    assert "did you mean 'radioml'" in error_of(capsys, "audit", "radiom", *out)
    assert "--num" in error_of(capsys, "audit", store, "--num", "0", *out)
    assert "--iq" in error_of(capsys, "audit", store, "--iq", "x", *out)
    assert not (tmp_path / "x").exists()
