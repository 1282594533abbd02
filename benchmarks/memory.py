"""Time and peak memory of `groundwave predict` and `ingest` on large recordings, and of `generate`.

    python benchmarks/memory.py --predict-mb 500 --ingest-mb 4000 --generate 50000 200000

Makes each recording (cs16: noise, and a burst of a tone with a random phase walk each second), runs the command in a
process of its own, prints what it took, and deletes the files. Predicting needs a model with a head; a new one with
random weights takes as long as a trained one.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from groundwave.bench.rows import processor
from groundwave.model import InputContract, Model
from groundwave.nn import HEADS

RATE = 1_000_000  # samples per second, 4 bytes each
CLASSES = tuple("abcde")


def write_recording(path: Path, megabytes: int) -> Path:
    """Write noise with one burst a second; every second is the same, which no command can tell."""
    draw = np.random.default_rng(0)
    noise = draw.standard_normal((RATE, 2)) * 300
    phase = np.cumsum(0.3 + 0.05 * draw.standard_normal(RATE // 10))
    noise[RATE // 2 : RATE // 2 + len(phase)] += 3000 * np.stack([np.cos(phase), np.sin(phase)], axis=1)
    second = noise.astype("<i2").tobytes()
    with path.open("wb") as file:
        for _ in range(megabytes * 1_000_000 // len(second)):
            file.write(second)
    return path


def save_model(folder: Path) -> Path:
    """Save a model of the default size with a head, both untrained."""
    torch.manual_seed(0)
    model = Model.build("lsm", InputContract(num_samples=1024, min_samples=256, max_samples=2048))
    size = {"in_features": model.num_features, "out_features": len(CLASSES)}
    return model.with_head("linear", HEADS["linear"](**size), size, CLASSES).save(folder)


def measure(*words: str | Path) -> tuple[float, float]:
    """Return seconds and peak memory in MB of a `groundwave` command."""
    begun = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-m", "groundwave", *map(str, words)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"groundwave {words[0]} failed")
    return time.perf_counter() - begun, usage.ru_maxrss / 1024


def main() -> None:
    """Run both commands and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predict-mb", type=int, default=500)
    parser.add_argument("--ingest-mb", type=int, default=4000)
    parser.add_argument("--generate", type=int, nargs="*", default=[50_000, 200_000], help="numbers of records")
    parser.add_argument("--workers", default="0", help="of generate; their memory is not counted")
    parser.add_argument("--folder", type=Path, help="where the files go; the system's temporary folder by default")
    chosen = parser.parse_args()
    print(
        f"{processor()}, {os.cpu_count()} processors, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}"
    )
    print("\n| command | input | seconds | peak memory |\n|---|---:|---:|---:|", flush=True)
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        commands = {
            "predict": (chosen.predict_mb, ["--model", save_model(folder / "model")]),
            "ingest": (chosen.ingest_mb, ["--out", folder / "store"]),
        }
        for verb, (megabytes, rest) in commands.items():
            if megabytes:
                path = write_recording(folder / "long.cs16", megabytes)
                seconds, peak = measure(verb, path, "--sample-rate", str(RATE), *rest)
                path.unlink()
                print(f"| `groundwave {verb}` | {megabytes} MB | {seconds:.0f} | {peak:.0f} MB |", flush=True)
        for count in chosen.generate:
            out = folder / f"made-{count}"
            words = ["--out", out, "--scene.num-samples", "1024", "--workers", chosen.workers]
            seconds, peak = measure("generate", "radioml", "--num", str(count), *words)
            shutil.rmtree(out)
            print(f"| `groundwave generate radioml` | {count} records | {seconds:.0f} | {peak:.0f} MB |", flush=True)


if __name__ == "__main__":
    main()
