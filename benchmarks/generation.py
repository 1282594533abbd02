"""How many records a second Groundwave makes, beside other generators in the same run: a row for each round.

    python benchmarks/generation.py --liquid --torchsig PYTHON --sionna PYTHON --gnuradio PYTHON

One process and one thread for each program, records of 1024 samples, rounds in which every job has its turn. Each peer
needs an interpreter that can import it (liquid-dsp: a C compiler and its headers); those not named are left out. Rows
go to OUT.jsonl, in the format of `results/`, and the table that follows from them to OUT.md.
"""

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"  # before torch is loaded, and for every peer

import torch
from generation_jobs import JOBS, makers
from generation_table import table
from peers.stopwatch import measured
from rich.console import Console

from groundwave import __version__
from groundwave.bench.rows import Row, append, read

HERE = Path(__file__).parent
SERVED = {"torchsig": ("waveforms", "impaired"), "sionna": ("qam16", "qam16_awgn", "tdl")}
SERVED["gnuradio"] = ("radioml", "radioml_one")
Answer = dict[str, Any]  # `value` and `n`, or `failed`
Turn = Callable[[float], Answer]


def ours(device: str) -> Iterator[tuple[str, Turn]]:
    """Yield our jobs on a device; one that fails there says so and lets the others go on."""
    for name, make in makers(device):
        made = []

        def turn(seconds: float, make: Any = make, made: Any = made) -> Answer:
            try:
                if not made:
                    made.append(make())
                    made[0]()
                return measured(made[0], seconds, version=__version__)
            except Exception as error:
                return {"failed": f"{type(error).__name__}: {error}"}

        yield name, turn


def served(peer: str, python: str, open_until: ExitStack) -> Iterator[tuple[str, Turn]]:
    """Start a peer under its interpreter, and yield its jobs."""
    words = [python, str(HERE / "peers" / f"{peer}_jobs.py")]
    complaints = Path(open_until.enter_context(tempfile.TemporaryDirectory())) / "stderr"
    pipe = subprocess.PIPE
    with complaints.open("w") as file:
        process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=file, text=True)
    open_until.callback(process.kill)

    def turn(seconds: float, name: str) -> Answer:
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):
            print(name, seconds, file=process.stdin, flush=True)
        line = process.stdout.readline()
        if line:
            return json.loads(line)
        return {"failed": (complaints.read_text().strip().splitlines() or ["it ended"])[-1]}

    for name in SERVED[peer]:
        yield name, lambda seconds, name=name: turn(seconds, name)


def liquid(open_until: ExitStack) -> Iterator[tuple[str, Turn]]:
    """Compile the C program, and yield its jobs."""
    program = Path(open_until.enter_context(tempfile.TemporaryDirectory())) / "liquid_qam"
    words = ["cc", "-O3", "-march=native", str(HERE / "liquid_qam.c"), "-o", str(program), "-lliquid", "-lm"]
    subprocess.run(words, check=True)
    for name in ("clean", "awgn"):
        run = [str(program), name]
        yield (
            name,
            lambda s, run=run: json.loads(subprocess.run([*run, str(s)], capture_output=True, check=True).stdout),
        )


def programs(chosen: argparse.Namespace, open_until: ExitStack) -> Iterator[tuple[str, str, Turn]]:
    """Yield (program, job, turn) of everything that takes part."""
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        for name, turn in ours(device):
            if not chosen.jobs or name in chosen.jobs:
                yield "groundwave" if device == "cpu" else "groundwave, cuda", name, turn
    wanted = {peer for name in chosen.jobs or JOBS for peer in JOBS[name].times}
    for peer in SERVED:
        if getattr(chosen, peer):
            for name, turn in served(peer, getattr(chosen, peer), open_until):
                if (peer, name) in wanted:
                    yield peer, name, turn
    if chosen.liquid:
        for name, turn in liquid(open_until):
            if ("liquid", name) in wanted:
                yield "liquid", name, turn


def measure(chosen: argparse.Namespace, path: Path) -> None:
    """Let every program have its turn in each round, and append a row for each."""
    console = Console(stderr=True)
    with ExitStack() as open_until:
        turns = list(programs(chosen, open_until))
        for number in range(chosen.rounds):
            for program, name, turn in turns:
                row = _row(program, name, number, turn(chosen.seconds))
                append(path, row)
                console.print(f"{number} {program:18}{name:14}{row.failed or f'{row.value:12,.0f}'}")


def _row(program: str, name: str, number: int, answer: Answer) -> Row:
    return Row(
        protocol="generation",
        method=program,
        data=name,
        metric="records per second",
        value=answer.get("value"),
        n=answer.get("n", 0),
        seed=number,
        config={"num_samples": 1024, "threads": 1, "program_version": answer.get("version", "")},
        failed=answer.get("failed"),
    )


def main() -> None:
    """Measure, and write rows and table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for peer in SERVED:
        parser.add_argument(f"--{peer}", metavar="PYTHON", help=f"an interpreter that can import {peer}")
    parser.add_argument("--liquid", action="store_true", help="compile and run liquid_qam.c")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="at least so long for each turn")
    parser.add_argument("--jobs", nargs="+", choices=list(JOBS), help="all by default")
    parser.add_argument("--out", type=Path, default=HERE / "generation", help="where OUT.jsonl and OUT.md go")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows, page = (chosen.out.with_suffix(suffix) for suffix in (".jsonl", ".md"))
    rows.unlink(missing_ok=True)
    measure(chosen, rows)
    page.write_text(table(read(rows)))
    print(f"rows: {rows}\ntable: {page}")


if __name__ == "__main__":
    main()
