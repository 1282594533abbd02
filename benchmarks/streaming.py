"""Whether a live stream is kept up with: drops, lag, processor time and memory at a fixed sample rate.

    python benchmarks/streaming.py --rate 10e6 --seconds 600

Another process sends numbered UDP packets of cs16 (noise, and bursts for a quarter of the time) at the rate, as a
receiver would; this one runs `stream` on them with a small network in ONNX Runtime, untrained, which takes as long as a
trained one. The sender's own processor time is not counted, but it needs a core, too. `--threshold-db 0` names every
window, `--model` takes a file that `groundwave export` wrote.
"""

import argparse
import multiprocessing
import os
import resource
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from pages import rounded

from groundwave import __version__
from groundwave.bench.rows import Row, append, hardware, today
from groundwave.data.live import UDPSource
from groundwave.deploy.classifiers import OnnxClassifier
from groundwave.deploy.export import export
from groundwave.deploy.sinks import Lines
from groundwave.deploy.stream import Progress, stream
from groundwave.deploy.watch import Decisions
from groundwave.model import InputContract, Model
from groundwave.nn import HEADS

PAGE = """# Streaming

`python benchmarks/streaming.py --rate {rate:g} --seconds {seconds:g}{options}`; {date}; Groundwave {version}.
{hardware}, {processors} processors, load {load:.1f} before.

`stream` took cs16 samples over UDP at {rate_msps:g} MS/s for {seconds:g} s and named windows of 1024 samples by
{model}. The signal is noise with bursts
for a quarter of the time; windows less than {threshold_db:g} dB above the noise are not named. A larger network or a
fuller band takes more: `--model`, `--threshold-db 0`.

*Processor time* is that of the receiving process. The *real-time factor* is how many seconds of signal it takes in a
second of computing. *Memory growth* is from the second tenth of the run to its last.

| what | measured |
|---|---:|
"""
SMALL = "a small untrained network (`residual` of width 16, 8,170 weights) in ONNX Runtime"
PACKET = 2000  # samples
CLASSES = tuple("abcdefghij")


def small_model(folder: Path) -> Path:
    """Export a small convolutional network with a head, untrained: `SMALL` tells its size."""
    torch.manual_seed(0)
    contract = InputContract(num_samples=1024, min_samples=1024, max_samples=1024)
    model = Model.build("residual", contract, {"dim": 16})
    size = {"in_features": model.num_features, "out_features": len(CLASSES)}
    return export(model.with_head("linear", HEADS["linear"](**size), size, CLASSES), folder / "small.onnx")


def air(num_packets: int) -> list[bytes]:
    """Return packets of noise with a burst in each fourth of them."""
    draw = np.random.default_rng(0)
    noise = 300 * draw.standard_normal((num_packets * PACKET, 2))
    phase = 0.3 * np.arange(num_packets * PACKET)
    burst = (np.arange(num_packets * PACKET) // (16 * PACKET)) % 4 == 0
    noise += 5000 * burst[:, None] * np.stack([np.cos(phase), np.sin(phase)], axis=1)
    return [piece.astype("<i2").tobytes() for piece in np.split(noise, num_packets)]


def send(port: int, rate: float, seconds: float) -> None:
    """Send numbered packets at a rate, then an empty one."""
    packets = air(1024)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        begun, total = time.perf_counter(), round(rate * seconds / PACKET)
        for number in range(total):
            ahead = number * PACKET / rate - (time.perf_counter() - begun)
            if ahead > 1e-3:
                time.sleep(ahead)
            sender.send(struct.pack("<Q", number + 1) + packets[number % len(packets)])
        time.sleep(0.5)
        sender.send(b"")


class Memory:
    """Resident memory in MB, second by second."""

    def __init__(self) -> None:
        self.seen: list[float] = []
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        """Look once a second."""
        if progress.samples and time.monotonic() >= self._next:
            self._next = time.monotonic() + 1
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.seen.append(pages * resource.getpagesize() / 1e6)

    def growth(self) -> float:
        """Return by how much the last tenth is above the tenth after the first, in MB."""
        tenth = max(1, len(self.seen) // 10)
        return float(np.mean(self.seen[-tenth:]) - np.mean(self.seen[tenth : 2 * tenth] or self.seen))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=10e6, help="samples a second")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--threshold-db", type=float, default=3.0)
    parser.add_argument("--model", type=Path, help="an exported file")
    parser.add_argument("--out", type=Path, help="where rows go")
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        classifier = OnnxClassifier(chosen.model or small_model(Path(folder)))
        source = UDPSource("127.0.0.1", 0, "cs16", header="sequence")
        arguments = (source.address[1], chosen.rate, chosen.seconds)
        sender = multiprocessing.get_context("spawn").Process(target=send, args=arguments)
        memory, before = Memory(), time.process_time()
        sender.start()
        progress = stream(
            source,
            chosen.rate,
            [classifier],
            Lines(nowhere),
            decisions=Decisions(threshold_db=chosen.threshold_db),
            timeout_s=60,
            show=memory,
        )
        cpu_s = time.process_time() - before
        sender.join()
    sent_s = chosen.seconds
    found = {
        "samples sent": round(chosen.rate * sent_s / PACKET) * PACKET,
        "samples looked at": progress.samples,
        "samples dropped for want of room": progress.dropped,
        "samples lost on the way": progress.lost,
        "processor time, s a second of signal": cpu_s / sent_s,
        "real-time factor while computing": progress.real_time_factor,
        "memory, MB": memory.seen[-1],
        "memory growth, MB": memory.growth(),
    }
    told = {"rate": chosen.rate, "seconds": sent_s, "threshold_db": chosen.threshold_db, "load": load}
    model = f"`{chosen.model}` in ONNX Runtime" if chosen.model else SMALL
    options = f" --threshold-db {chosen.threshold_db:g}" * (chosen.threshold_db != 3.0)
    options += f" --model {chosen.model}" if chosen.model else ""
    print(
        PAGE.format(
            **told,
            rate_msps=chosen.rate / 1e6,
            model=model,
            options=options,
            hardware=hardware(),
            processors=os.cpu_count(),
            date=today(),
            version=__version__,
        )
        + "\n".join(f"| {name} | {rounded(value)} |" for name, value in found.items())
    )
    if chosen.out:
        for name, value in found.items():
            row = Row(
                protocol="streaming", method=classifier.name, data="udp", metric=name, value=float(value), n=1,
                config=told, hardware=hardware(),
            )  # fmt: skip
            append(chosen.out, row)


if __name__ == "__main__":
    sys.exit(main())
