"""How many spectrograms a second masked modelling takes in, and what share of the machine's bfloat16 rate that is.

    python benchmarks/masked.py [--device cuda]

One thread on a processor. Steps are whole ones: masks, forward, backward, AdamW; products of matrices are measured
between them. Rows go to OUT.jsonl, in the format of `results/`, and the table that follows from them to OUT.md.
"""

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"  # before torch is loaded

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from groundwave.bench.rows import Row, append, read
from groundwave.contract import SpectrogramContract
from groundwave.contracts import Record
from groundwave.nn import BACKBONES
from groundwave.pretrain import OBJECTIVES
from groundwave.rng import generator

# Of each model its backbone, its arguments, those of the objective, and records a step by their frequencies and frames.
MODELS: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, Any], tuple[int, int, int]]] = {
    "ViT 256 x 8 x 8, 75 % dropped": ("vit", {}, {}, (64, 256, 256)),
    "ConvLSTM 5 x 64, 20 % noise": (
        "convlstm",
        {},
        {"ratio": 0.2, "fill": "noise", "cell": (4, 4), "decoder": {"name": "conv3d"}},
        (16, 64, 64),
    ),
}
HEAD = """# Spectrograms per second of masked modelling

{hardware}, {device}; {date}; Groundwave {version}. Medians of {turns} steps (lowest to highest), bfloat16 products.

| model | records a step | samples/s | GFLOP a sample | of the bf16 matrix rate |
|---|---:|---:|---:|---:|
"""


def matrix_rate(device: str, size: int) -> float:
    """Return floating-point operations per second of a bfloat16 matrix product, the best of a few."""
    a, b = torch.randn(2, size, size, device=device).bfloat16()
    return 2 * size**3 / min(timed(lambda: a @ b, device) for _ in range(4))


def timed(work: Any, device: str) -> float:
    """Return the seconds that a call takes."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    begun = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - begun


def step(objective: nn.Module, optimizer: torch.optim.Optimizer, record: Record, number: int, device: str) -> None:
    """Take one training step."""
    with torch.autocast(device, torch.bfloat16):
        loss = objective(record, generator(0, "step", number, device=device))["loss"]
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(objective.parameters(), 1.0)
    optimizer.step()


def measure(name: str, device: str, steps: int, tiny: bool, path: Path) -> None:
    """Append a row for each step's speed and each matrix rate."""
    kind, args, settings, size = MODELS[name]
    batch, *cells = (4, 32, 32) if tiny else size
    contract = SpectrogramContract(num_freqs=cells[0], num_frames=cells[1])
    backbone = BACKBONES[kind](**args, **({"dim": 16, "depth": 1} if tiny else {}))
    objective = OBJECTIVES["msm"](backbone, (), contract, **settings).to(device)
    record = {"spec": 8 * torch.randn(batch, *cells, generator=generator(0, "records")).to(device)}
    with FlopCounterMode(display=False) as counter:
        objective(record, generator(0, device=device))["loss"].backward()
    config = {"flop": counter.get_total_flops() / batch, "size": list(size), "device": device}
    row = partial(Row, protocol="masked-pretraining", method=kind, data=name, n=batch, config=config)
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-4)
    for number in range(steps):
        seconds = timed(lambda number=number: step(objective, optimizer, record, number, device), device)
        rate = matrix_rate(device, 64 if tiny else 2048 if device == "cpu" else 8192)
        for metric, value in (("samples per second", batch / seconds), ("matrix operations per second", rate)):
            append(path, row(metric=metric, value=value, seed=number))


def table(rows: Sequence[Row]) -> str:
    """Return the page of rows, without the first step of each model, in which memory is fetched."""
    first, kept = rows[0], [row for row in rows if row.seed]
    page = HEAD.format(**{name: getattr(first, name) for name in ("hardware", "date", "version")},
                       device=first.config["device"], turns=max(row.seed for row in rows))  # fmt: skip
    for name in dict.fromkeys(row.data for row in kept):
        own = [row for row in kept if row.data == name]
        speed = [row.value for row in own if row.metric == "samples per second"]
        rate = median(row.value for row in own if row.metric != "samples per second")
        flop = own[0].config["flop"]
        page += (
            f"| {name} | {own[0].n} | {median(speed):,.3g} ({min(speed):,.3g} to {max(speed):,.3g}) "
            f"| {flop / 1e9:.3g} | {flop * median(speed) / rate:.0%} of {rate / 1e12:.3g} TFLOP/s |\n"
        )
    return page


def main() -> None:
    """Measure, and write rows and table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--steps", type=int, default=8, help="of each model")
    parser.add_argument("--tiny", action="store_true", help="tiny models and batches, to see that it works")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "masked", help="OUT.jsonl and OUT.md")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows, page = (chosen.out.with_suffix(suffix) for suffix in (".jsonl", ".md"))
    rows.unlink(missing_ok=True)
    for name in MODELS:
        measure(name, chosen.device, chosen.steps, chosen.tiny, rows)
    page.write_text(table(read(rows)))
    print(f"rows: {rows}\ntable: {page}")


if __name__ == "__main__":
    main()
