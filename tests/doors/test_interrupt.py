"""A real Ctrl-C, sent to a real process: what it leaves is enough to go on from."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from groundwave.bench.rows import CELL, read
from groundwave.model import Model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there"),
]


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "groundwave", *map(str, words)]


def interrupted(words: list[str], ready: Callable[[], bool], seconds: float = 120) -> str:
    """Run a command, interrupt it as soon as it is ready for that, and return what it says."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    stop = time.monotonic() + seconds
    while not ready() and process.poll() is None and time.monotonic() < stop:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=seconds)[1]
    assert process.returncode == 130, told
    assert "Traceback" not in told
    return told


def test_the_demo_goes_on_after_ctrl_c_while_it_trains(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    words = command("demo", "--smoke", "--out", out)
    assert "finished steps are kept" in interrupted(words, (out / "pretraining" / "run.json").exists)
    assert not (out / "report.html").exists()
    assert (out / "pool" / "manifest.json").exists()
    subprocess.run(words, check=True, capture_output=True)
    assert (out / "report.html").exists()
    assert Model.load(out / "model").classes


def test_bench_goes_on_after_ctrl_c_and_has_each_row_once(tmp_path: Path) -> None:
    rows = tmp_path / "smoke/results/modulation-fewshot.jsonl"
    words = command("bench", "modulation-fewshot", "--smoke", "--shots", "1", "--runs", tmp_path)
    assert "the rows so far are kept" in interrupted(
        words, lambda: rows.exists() and rows.read_bytes().count(b"\n") > 4
    )
    before = read(rows)
    subprocess.run(words, check=True, capture_output=True)
    after = read(rows)
    assert after[: len(before)] == before
    assert len(after) == len({tuple(getattr(row, name) for name in CELL) for row in after}) > len(before)
    assert not any(row.failed for row in after)
