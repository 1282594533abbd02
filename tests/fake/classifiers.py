"""A classifier that needs no network: it tells which way the phase turns."""

import numpy as np


class TurnClassifier:
    name, classes, num_antennas = "turn", ("left", "right"), 1

    def __init__(self, num_samples: int = 64, name: str = "turn") -> None:
        self.num_samples, self.name = num_samples, name

    def answer(self, iq: np.ndarray) -> np.ndarray:
        assert np.isfinite(iq).all()
        turn = np.angle((iq[:, 0, 1:] * iq[:, 0, :-1].conj()).sum(axis=-1))
        return np.stack([turn < 0, turn >= 0], axis=-1).astype(np.float32) * 0.8 + 0.1


def air(*bursts: tuple[int, int, str], num_samples: int = 20_000, seed: int = 0) -> np.ndarray:
    """Return quiet noise with bursts (start, count, label), complex64 `[time]`."""
    noise = np.random.default_rng(seed).standard_normal((num_samples, 2)).astype(np.float32)
    iq = 0.01 * noise.view(np.complex64)[:, 0]
    for start, count, label in bursts:
        turn = np.exp((0.5j if label == "right" else -0.5j) * np.arange(count))
        iq[start : start + count] += turn.astype(np.complex64)
    return iq
