"""Two devices that see the same classes, each in its own way, small enough to learn in a second."""

import torch
from torch import Generator, Tensor, nn

from groundwave.rng import generator
from groundwave.semcom.edge import Device, Fusion, Pace
from groundwave.semcom.link import Link

NUM_RECORDS, NUM_SYMBOLS, NUM_CLASSES = 96, 4, 3
PACE = Pace(lr=1e-2, rounds=12)
LABEL = torch.arange(NUM_RECORDS) % NUM_CLASSES
ROWS = torch.arange(NUM_RECORDS)


def prepare(x: Tensor, draw: Generator | None) -> Tensor:
    """Return inputs, in training with a little noise as the only view."""
    return x if draw is None else x + 0.1 * torch.randn(x.shape, generator=draw)


def sensed(name: str) -> Tensor:
    """Return what a sensor saw: the class's mean and noise."""
    draw = generator(0, "toy", name)
    return 2 * torch.randn(NUM_CLASSES, 5, generator=draw)[LABEL] + torch.randn(NUM_RECORDS, 5, generator=draw)


def device(name: str, kind: type[Device] = Device) -> Device:
    """Return a device of some kind with the same weights whenever it is asked for."""
    with torch.random.fork_rng():
        torch.manual_seed(len(name))
        encoder = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 2 * NUM_SYMBOLS))
    return kind(sensed(name), encoder, prepare, PACE, seed=7)


def devices(**kinds: type[Device]) -> dict[str, Device]:
    """Return a camera and a ranger, some of which may be of another kind."""
    return {name: device(name, kinds.get(name, Device)) for name in ("camera", "ranger")}


def server() -> Fusion:
    """Return the same untrained server whenever it is asked for."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return Fusion(("camera", "ranger"), 2 * NUM_SYMBOLS, NUM_CLASSES, hidden=16)


def link(snr_db: float = 15.0) -> Link:
    """Return a fading link."""
    return Link(NUM_SYMBOLS, (snr_db, snr_db), rician_k=4.0, num_pilots=1)
