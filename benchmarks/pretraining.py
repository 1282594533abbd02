"""How many samples a second pretraining takes in, beside a plain float32 loop of the same model in the same run.

    python benchmarks/pretraining.py

One thread. Both loops begin with the same weights and see the same views of the same records; they take turns of an
epoch each, and between the turns the processor's rate of matrix products is measured. Rows go to OUT.jsonl, in the
format of `results/`, and the table that follows from them to OUT.md.
"""

import argparse
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"  # before torch is loaded

import torch
from pretraining_plain import plainly, steps
from pretraining_table import table
from rich.console import Console
from torch import Generator, Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from groundwave.bench.encoders import Pretraining
from groundwave.bench.rows import Row, append, read
from groundwave.contracts import Record
from groundwave.data.batch import loader
from groundwave.data.sources import Records
from groundwave.model import Model
from groundwave.pretrain import OBJECTIVES
from groundwave.recipes.contenders import TINY, Size, contenders
from groundwave.rng import generator
from groundwave.scenes import RadioML
from groundwave.train import fit

MODELS = {"published": "lsm-published", "ours": "lsm"}
TURN = 4  # steps of an epoch, after which the other loop has its turn; an epoch of LSM as published has three
SNR_DB = 4
SEED = 0


def matrix_rate(dtype: torch.dtype, size: int = 2048) -> float:
    """Return floating-point operations per second of a matrix product, the best of a few."""
    a, b = torch.randn(2, size, size).to(dtype)
    seconds = []
    for _ in range(4):
        begun = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - begun)
    return 2 * size**3 / min(seconds)


class Alternating(nn.Module):
    """An objective for `fit` that lets the plain loop have its turn before each epoch, and takes the time of both.

    Args:
        objective: what `fit` trains.
        plain: seconds and loss of each step of the plain loop.
        note: is told loop, step, seconds and loss of each step.
    """

    def __init__(self, objective: nn.Module, plain: Iterator[tuple[float, float]], note: Callable[..., None]) -> None:
        super().__init__()
        self.objective, self._plain, self._note = objective, plain, note
        self._step, self._last = 0, (0.0, torch.zeros(()))

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return what the objective does; the time of a step runs from here to the next call."""
        self.end_step()
        if self._step % TURN == 0:
            with torch.autocast("cpu", enabled=False):
                for step in range(self._step, self._step + TURN):
                    self._note("plain", step, *next(self._plain))
        begun = time.perf_counter()
        scalars: dict[str, Tensor] = self.objective(record, generator)
        self._last, self._step = (begun, scalars["loss"].detach()), self._step + 1
        return scalars

    def end_step(self) -> None:
        """Tell how long the last step took."""
        if self._step:
            begun, loss = self._last
            self._note("groundwave", self._step - 1, time.perf_counter() - begun, float(loss))


def measure(name: str, how: Pretraining, chosen: argparse.Namespace, path: Path) -> None:
    """Train one model both ways, and append a row for each loss, each turn's speed and each matrix rate."""
    console, size = Console(stderr=True), how.batch_size
    schedule = replace(how.schedule, epochs=-(-chosen.steps // TURN))
    per_cell = -(-TURN * size // 11)
    scene = RadioML("as-published", snrs_db=(SNR_DB,), records_per_cell=per_cell)
    source = Records({"iq": scene.block(0)["iq"][: TURN * size]})
    batches = partial(_batches, source, size)
    torch.manual_seed(SEED)
    model = Model.build(how.backbone, how.contract, dict(how.backbone_args))
    objective = OBJECTIVES[how.objective](model.backbone, views=how.views, **how.objective_args)
    plain = plainly(deepcopy(objective))
    config = {"batch_size": size, "operations": operations(plain, source, size), "pretraining": how.config()}
    row = partial(Row, protocol="pretraining", data=name, n=size, config=config)
    turn: dict[str, list[float]] = {"plain": [], "groundwave": []}

    def note(loop: str, step: int, seconds: float, loss: float) -> None:
        append(path, row(method=loop, metric="loss", value=loss, episode=step, seconds=seconds))
        turn[loop].append(seconds)
        if len(turn[loop]) == TURN:
            speed = size * TURN / sum(turn[loop])
            append(path, row(method=loop, metric="samples per second", value=speed, seed=step // TURN))
            console.print(f"{name:10}{loop:12}step {step:4}{speed:10,.0f} samples/s   loss {loss:.4f}")
            turn[loop].clear()
            if loop == "plain":
                for dtype in (torch.bfloat16, torch.float32):
                    rate, label = matrix_rate(dtype), f"matrix product, {str(dtype).removeprefix('torch.')}"
                    append(path, row(method=label, metric="operations per second", value=rate, seed=step // TURN))

    with tempfile.TemporaryDirectory() as folder:
        both = Alternating(objective, steps(plain, batches, schedule, SEED), note)
        fit(both, batches, schedule=schedule, out=Path(folder) / "run", seed=SEED, device="cpu", progress=False)
        both.end_step()


def _batches(source: Records, size: int, epoch: int) -> Any:
    return loader(source, batch_size=size, seed=SEED, drop_last=True, epoch=epoch)


def operations(objective: nn.Module, source: Records, size: int) -> int:
    """Return how many floating-point operations the products and convolutions of a step have."""
    correct = {torch.ops.aten.convolution_backward: _convolution_backward}
    with FlopCounterMode(display=False, custom_mapping=correct) as counter:
        deepcopy(objective)(source[torch.arange(size)], generator(SEED))["loss"].backward()
    return counter.get_total_flops()


def _convolution_backward(grad: Any, _: Any, weight: Any, *rest: Any, **__: Any) -> int:
    """Count both gradients of a convolution; PyTorch's own count forgets that channels of a group see no others."""
    asked = rest[7]
    return 2 * grad[0] * math.prod(grad[2:]) * math.prod(weight) * sum(asked[:2])


def main() -> None:
    """Measure, and write rows and table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--steps", type=int, default=32, help="of each loop, rounded up to whole turns")
    parser.add_argument("--tiny", action="store_true", help="tiny models and batches, to see that it works")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "pretraining", help="OUT.jsonl and OUT.md")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows, page = (chosen.out.with_suffix(suffix) for suffix in (".jsonl", ".md"))
    rows.unlink(missing_ok=True)
    found = contenders(TINY if chosen.tiny else Size())
    for name in chosen.models:
        how = found[MODELS[name]].pretraining
        assert how is not None
        measure(name, how.shortened(1, 16) if chosen.tiny else how, chosen, rows)
    page.write_text(table(read(rows)))
    print(f"rows: {rows}\ntable: {page}")


if __name__ == "__main__":
    main()
