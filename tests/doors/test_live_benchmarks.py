"""The benchmarks of streams and of the server still run, and lose nothing at a rate that any machine bears."""

import subprocess
import sys
from pathlib import Path

import pytest

from groundwave.bench.rows import read

HERE = Path(__file__).parents[2] / "benchmarks"


def values(tmp_path: Path, *words: str) -> dict[tuple[str, str], float | None]:
    out = tmp_path / "rows.jsonl"
    command = [sys.executable, str(HERE / words[0]), *words[1:], "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    return {(row.method, row.metric): row.value for row in read(out)}


def test_a_slow_stream_is_looked_at_whole(tmp_path: Path) -> None:
    found = values(tmp_path, "streaming.py", "--rate", "2e5", "--seconds", "1")
    assert found["small", "samples looked at"] == found["small", "samples sent"] == 200_000
    assert found["small", "samples dropped for want of room"] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads a server's processor time from /proc")
def test_answers_are_right_and_none_is_lost(tmp_path: Path) -> None:
    found = values(tmp_path, "serving.py", "--rate", "10", "--seconds", "1")
    phases = {phase for phase, _ in found}
    assert len(phases) == 4
    assert {(found[phase, "wrong"], found[phase, "without answer"]) for phase in phases} == {(0, 0)}
    assert found["10/s", "answered (200)"] == 10
