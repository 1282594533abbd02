"""Whether the HTTP door keeps its promises: latency at a steady rate, overload, slow clients, cut connections.

    python benchmarks/serving.py --rate 200 --seconds 30

Starts `groundwave serve` with a small network (untrained, which takes as long as a trained one; `--model` takes
another) and asks for predictions of one record of 1024 samples, at fixed times whatever the answers do, so that a
latency counts from when a request was due. Each answer is compared with the model's. The client shares the processors.
"""

import argparse
import asyncio
import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from pages import rounded

from groundwave import __version__
from groundwave.bench.rows import Row, append, hardware, today
from groundwave.model import InputContract, Model
from groundwave.nn import HEADS

PAGE = """# Serving

`python benchmarks/serving.py --rate {rate:g} --seconds {seconds:g}{options}`; {date}; Groundwave {version}.
{hardware}, {processors} processors, load {load:.1f} before.

`groundwave serve` answered with {model}; a request
asks for a prediction of one record of 1024 samples. A larger network takes more: `--model`.

Columns are phases, one after the other: so many requests a second, due at fixed times whatever the answers do; the same
while up to 32 connections send a request byte by byte and others are cut in the middle of one; ten times as many, more
than it can answer; and the first rate again. *p50* and *p99* are the latencies of what was answered, counted from when
a request was due. The client shares the processors.

"""
SMALL = "a small untrained network (`residual` of width 16, 8,170 weights) in PyTorch"
CLASSES = tuple("abcdefghij")
NUM_RECORDS = 16
CONNECTIONS = 400  # at most
PATIENCE_S = 30.0


class Outcome(NamedTuple):
    """One request: its status (0: no answer), whether the answer was right, and the seconds since it was due."""

    status: int
    right: bool
    seconds: float


def small_model(folder: Path) -> Path:
    """Save a small convolutional network with a head, untrained: `SMALL` tells its size."""
    torch.manual_seed(0)
    contract = InputContract(num_samples=1024, min_samples=256, max_samples=2048)
    model = Model.build("residual", contract, {"dim": 16})
    size = {"in_features": model.num_features, "out_features": len(CLASSES)}
    return model.with_head("linear", HEADS["linear"](**size), size, CLASSES).save(folder / "model")


class Questions:
    """Requests as bytes, and what the model says to them."""

    def __init__(self, model: Model) -> None:
        draw = torch.Generator().manual_seed(0)
        iq = torch.randn(NUM_RECORDS, 1024, dtype=torch.complex64, generator=draw)
        self.wanted = model.predict(iq).numpy()
        self.messages = [_message(row.numpy()) for row in iq]

    def right(self, number: int, body: bytes) -> bool:
        """Return whether an answer is the model's."""
        found = json.loads(body)["probabilities"][0]
        return bool(np.abs(np.array(found) - self.wanted[number % NUM_RECORDS]).max() < 1e-3)


def _message(iq: np.ndarray) -> bytes:
    data = base64.b64encode(iq.tobytes()).decode()
    body = json.dumps({"records": {"data": data, "datatype": "cf32_le", "shape": [1, len(iq)]}}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


class Client:
    """Connections that are used again and again."""

    def __init__(self, port: int, questions: Questions) -> None:
        self.port, self.questions = port, questions
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.room = asyncio.Semaphore(CONNECTIONS)

    async def ask(self, number: int, due: float) -> Outcome:
        """Send a request and wait for its answer."""
        try:
            async with self.room, asyncio.timeout(PATIENCE_S):
                status, body = await self._exchange(self.questions.messages[number % NUM_RECORDS])
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return Outcome(0, False, time.perf_counter() - due)
        right = status != 200 or self.questions.right(number, body)
        return Outcome(status, right, time.perf_counter() - due)

    async def _exchange(self, message: bytes) -> tuple[int, bytes]:
        for again in (True, False):
            reused = bool(self.idle) and again
            reader, writer = self.idle.pop() if reused else await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(message)
                head = await reader.readuntil(b"\r\n\r\n")
                break
            except (OSError, asyncio.IncompleteReadError):
                writer.close()
                if not reused:  # an idle connection may have been closed by the server; a new one may not
                    raise
        fields = head.decode("latin-1").lower()
        body = await reader.readexactly(int(fields.split("content-length:")[1].split("\r\n")[0]))
        if "connection: close" in fields:
            writer.close()
        else:
            self.idle.append((reader, writer))
        return int(fields.split()[1]), body


async def at_rate(client: Client, rate: float, seconds: float) -> list[Outcome]:
    """Ask at fixed times, and return what came of each request."""
    begun, tasks = time.perf_counter() + 0.1, []
    for number in range(round(rate * seconds)):
        due = begun + number / rate
        if (ahead := due - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        tasks.append(asyncio.create_task(client.ask(number, due)))
        if number % 16 == 0:
            await asyncio.sleep(0)
    return await asyncio.gather(*tasks)


async def nuisance(port: int, seconds: float) -> None:
    """Hold connections on which a request comes byte by byte, and cut others in the middle of one."""
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n{"
    slow: list[asyncio.StreamWriter] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        if len(slow) < 32:
            slow.append(writer)
        else:
            writer.transport.abort()
        for one in slow:
            one.write(b" ")
        slow = [one for one in slow if not one.transport.is_closing()]
        await asyncio.sleep(0.02)
    for one in slow:
        one.close()


def processor_s(pid: int) -> float:
    """Return the processor time that a process has taken (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def told(outcomes: list[Outcome], cpu_s: float) -> dict[str, float]:
    """Return the numbers of a phase."""
    answered = np.array([one.seconds for one in outcomes if one.status == 200] or [np.nan])
    codes = Counter(one.status for one in outcomes)
    return {
        "requests": len(outcomes),
        "answered (200)": codes[200],
        "refused (429)": codes[429],
        "other answers": sum(codes.values()) - codes[200] - codes[429] - codes[0],
        "without answer": codes[0],
        "wrong": sum(not one.right for one in outcomes if one.status),
        "p50, ms": 1e3 * float(np.median(answered)),
        "p99, ms": 1e3 * float(np.quantile(answered, 0.99)),
        "server's processor time, ms a request": 1e3 * cpu_s / len(outcomes),
    }


async def phases(
    server: int, port: int, questions: Questions, rate: float, seconds: float
) -> dict[str, dict[str, float]]:
    """Run the phases one after the other."""
    client = Client(port, questions)
    await at_rate(client, min(rate, 50), 1)  # the first answers load what is loaded once
    found = {}
    for name, share, part, beside in (
        (f"{rate:g}/s", 1, 1.0, False),
        (f"{rate:g}/s beside slow and cut connections", 1, 1.0, True),
        (f"{10 * rate:g}/s", 10, 0.5, False),
        (f"{rate:g}/s afterwards", 1, 0.5, False),
    ):
        before = processor_s(server)
        asked = [at_rate(client, share * rate, part * seconds), *([nuisance(port, part * seconds)] if beside else [])]
        outcomes = (await asyncio.gather(*asked))[0]
        assert outcomes is not None
        found[name] = told(outcomes, processor_s(server) - before)
    return found


def serving(folder: Path, port: int) -> subprocess.Popen[str]:
    """Start the server and return when it answers."""
    command = [sys.executable, "-m", "groundwave", "serve", str(folder), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, text=True)
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return server
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server does not answer")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200, help="requests a second")
    parser.add_argument("--seconds", type=float, default=30, help="of each phase")
    parser.add_argument("--model", type=Path, help="model folder with a head, for 1024 samples")
    parser.add_argument("--out", type=Path, help="where rows go")
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name, socket.socket() as free:
        folder = chosen.model or small_model(Path(name))
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        questions = Questions(Model.load(folder))
        server = serving(folder, port)
        try:
            found = asyncio.run(phases(server.pid, port, questions, chosen.rate, chosen.seconds))
        finally:
            server.terminate()
            server.wait()
    print(
        PAGE.format(
            rate=chosen.rate,
            seconds=chosen.seconds,
            options=f" --model {chosen.model}" if chosen.model else "",
            model=f"`{chosen.model}`" if chosen.model else SMALL,
            hardware=hardware(),
            processors=os.cpu_count(),
            load=load,
            date=today(),
            version=__version__,
        ),
        end="",
    )
    names = list(next(iter(found.values())))
    print(f"| | {' | '.join(found)} |\n|---|{'---:|' * len(found)}")
    for metric in names:
        print(f"| {metric} | {' | '.join(rounded(phase[metric]) for phase in found.values())} |")
    for phase, numbers in found.items() if chosen.out else ():
        for metric, value in numbers.items():
            known = {"value": value} if np.isfinite(value) else {"value": None, "failed": "no answer"}
            config = {"phase": phase, "seconds": chosen.seconds, "load": load}
            append(
                chosen.out,
                Row(protocol="serving", method=phase, data="http", metric=metric, n=1, config=config, **known),
            )


if __name__ == "__main__":
    main()
