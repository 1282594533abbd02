"""`groundwave stream` and `groundwave serve`, driven as a user would; their mistakes told in words."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import sigmf
from fake.classifiers import air

from groundwave.cli import main
from groundwave.deploy.stream import Progress
from groundwave.recipes.serve import token_of
from groundwave.recipes.stream import table
from tests.doors.test_cli import error_of

IQ = air((2000, 3000, "right"), (8000, 2000, "left"))
RATE = ["--sample-rate", "1e5"]


def start(verb: str, *words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "groundwave", verb, *map(str, words)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_standard_input_comes_out_as_lines_and_as_sigmf(tmp_path: Path, adapted: Path) -> None:
    out = tmp_path / "live.sigmf-meta"
    command = [sys.executable, "-m", "groundwave", "stream", "-", "--model", str(adapted), *RATE, "--sigmf", str(out)]
    ran = subprocess.run(command, input=IQ.tobytes() + b"odd", capture_output=True, check=True)
    told = lines(ran.stdout.decode())
    found = [line for line in told if "label" in line]
    assert len(found) >= 2
    assert told[-1]["samples"] == 20_000
    assert told[-1]["thrown"] == {"odd bytes": 3}
    assert b"x real time" in ran.stderr
    written = sigmf.SigMFFile(metadata=out.read_text())
    written.validate()
    assert [a["core:sample_start"] for a in written.get_annotations()] == [line["start"] for line in found]


def test_datagrams_until_silence(adapted: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = start("stream", f"udp://127.0.0.1:{port}", "--model", adapted, *RATE, "--timeout", 60)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        for _ in range(600):  # until it listens
            try:
                sender.send(IQ[:1000].tobytes())
                sender.send(b"?")  # told of an unreachable port only by the next one
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        for first in range(0, len(IQ), 1000):
            sender.send(IQ[first : first + 1000].tobytes())
            time.sleep(0.002)
        sender.send(b"")
    told, errors = running.communicate(timeout=60)
    assert running.returncode == 0, errors
    assert lines(told)[-1]["event"] == "end"
    assert any("label" in line for line in lines(told))


def test_mistakes_of_streams_are_told(
    tmp_path: Path,
    adapted: Path,
    encoder: Path,
    store: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, there = tmp_path / "x.cf32", tmp_path / "there.jsonl"
    IQ.tofile(path)
    there.write_text("mine")
    (tmp_path / "bad.onnx").write_bytes(b"not a graph")
    given = ["stream", path, *RATE, "--model", adapted]
    assert "--sample-rate" in error_of(capsys, "stream", path, "--model", adapted)
    assert "--sample-rate" in error_of(capsys, "stream", "udp://127.0.0.1:0", "--model", adapted)
    assert "udp://HOST:PORT" in error_of(capsys, "stream", "udp://here", *RATE, "--model", adapted)
    assert "UDP stream" in error_of(capsys, *given, "--header", "sequence")
    assert "already exists" in error_of(capsys, *given, "--out", there)
    assert ".sigmf-meta" in error_of(capsys, *given, "--sigmf", tmp_path / "x.json")
    assert "groundwave adapt" in error_of(capsys, "stream", path, *RATE, "--model", encoder)
    assert "export the model again" in error_of(capsys, "stream", path, *RATE, "--model", tmp_path / "bad.onnx")
    assert "groundwave predict" in error_of(capsys, "stream", store, "--model", adapted)
    assert "correct the settings" in error_of(capsys, *given, "--overlap", "1.5")
    assert "--duration -1; expected seconds above 0" in error_of(capsys, *given, "--duration", "-1")
    assert "--timeout 0; expected seconds above 0" in error_of(capsys, *given, "--timeout", "0")
    monkeypatch.setattr(sys, "stdin", None)  # as with <&- in a shell
    assert "pipe them in" in error_of(capsys, "stream", "-", *RATE, "--model", adapted)
    assert there.read_text() == "mine"


def test_what_the_terminal_shows() -> None:
    progress = Progress(
        1e6, samples=5_000_000, seconds=5.0, dropped=7, busy_s=10.0, thrown={"odd bytes": 3}, arriving_hz=9e5
    )
    cells = [str(cell) for column in table("udp://x", progress, waits=False).columns for cell in column.cells]
    told = " ".join(cells)
    assert "0.50  TOO SLOW" in told
    assert "7 samples" in told
    assert "3 odd bytes" in told


@pytest.fixture
def running(adapted: Path) -> Iterator[int]:
    with start("serve", adapted, "--port", 0) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split(",")[0]
        assert address.startswith("http://127.0.0.1:")
        yield int(address.rpartition(":")[2])
        server.terminate()
        assert server.wait(timeout=30) in (0, -15)


def test_serve_answers_this_machine(running: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{running}/model", timeout=60) as answer:  # it waits, but is heard
        assert json.load(answer)["classes"] == ["BPSK", "GFSK", "AM-DSB"]


def test_mistakes_of_the_server_are_told(
    tmp_path: Path, adapted: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GROUNDWAVE_TOKEN", raising=False)
    assert "--token-file" in error_of(capsys, "serve", adapted, "--host", "0.0.0.0")
    assert "numbers above 0" in error_of(capsys, "serve", adapted, "--seconds", "0")
    assert "--port 65536; expected 0" in error_of(capsys, "serve", adapted, "--port", "65536")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", str(adapted), "--port", str(taken.getsockname()[1])]) == 2
    told = capsys.readouterr()
    assert "in use); expected a free address" in told.err
    assert told.out == ""  # no word of where it would be heard
    for name, content in (("binary", b"\xff" * 20), ("missing", b"")):
        (tmp_path / name).write_bytes(content)
        (tmp_path / "missing").unlink(missing_ok=True)
        assert "a file of text" in error_of(capsys, "serve", adapted, "--token-file", tmp_path / name)
    (tmp_path / "token").write_text("short\n")
    assert "16" in error_of(capsys, "serve", adapted, "--host", "0.0.0.0", "--token-file", tmp_path / "token")
    monkeypatch.setenv("GROUNDWAVE_TOKEN", "a" * 20)
    assert token_of(None) == "a" * 20
    assert os.environ["GROUNDWAVE_TOKEN"] not in error_of(capsys, "serve", tmp_path)
