"""What the public functions of signals refuse, in words."""

import inspect
from collections.abc import Callable
from functools import partial

import pytest
import torch

from groundwave.errors import GroundwaveError
from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.waveforms import WAVEFORMS
from groundwave.signal.amplifier import DING_MEMORY, memory_polynomial
from groundwave.signal.converter import adc
from groundwave.signal.multipath import draw_paths, propagate
from groundwave.signal.noise import awgn
from groundwave.signal.profiles import profile
from groundwave.signal.pulse import root_raised_cosine

NAN, INF, ONE = float("nan"), float("inf"), torch.tensor(1.0)
X = torch.randn(3, 200, dtype=torch.complex64, generator=generator(0, "refusals"))
MEMORY = torch.tensor(DING_MEMORY)


def record(num_records: int, num_samples: int) -> torch.Tensor:
    return WAVEFORMS["QPSK"](num_records, num_samples, Air(), generator(0, "refusals"))


def noisy(snr_db: float) -> torch.Tensor:
    return awgn(X, torch.tensor([0.0, snr_db, 3.0]), generator=generator(0, "refusals"))


def heard(*shape: int) -> torch.Tensor:
    paths = draw_paths(profile("EPA"), 3, 100, sample_rate_hz=1e6, generator=generator(0, "refusals"))
    unchecked = inspect.unwrap(propagate)  # the tests' own look at shapes comes first, otherwise
    return unchecked(torch.ones(*shape, 100 + paths.num_taps - 1, dtype=torch.complex64), paths)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (partial(Air, 0), "samples per symbol"),
        (partial(Air, 1), "samples per symbol"),
        (partial(Air, 2.5), "samples per symbol"),  # type: ignore[arg-type]
        (partial(Air, 8, -1.0), "sample rate"),
        (partial(Air, 8, NAN), "sample rate"),
        (partial(Air, 8, 2e5, (0.3, 0.1)), "audio_rms"),
        (partial(record, 0, 100), "0 records"),
        (partial(record, 3, 0), "0 samples"),
        (partial(record, -1, -5), "-1 records"),
        (partial(root_raised_cosine, 0, 16, 0.35), "0 samples a symbol"),
        (partial(root_raised_cosine, 8, 0, 0.35), "0 symbols"),
        (partial(root_raised_cosine, 8, 16, 2.0), "rolloff of 2"),
        (partial(root_raised_cosine, 8, 16, NAN), "rolloff of nan"),
        (partial(adc, X, torch.tensor(0.0), ONE), "0.0 bits"),
        (partial(adc, X, torch.tensor([8.0, 8.0, NAN]), ONE), "nan"),
        (partial(adc, X, 8 * ONE, -ONE), "full scale of -1.0"),
        (partial(adc, X, 8 * ONE, INF * ONE), "full scale of inf"),
        (partial(memory_polynomial, X[:, :2], MEMORY), "at least 3"),
        (partial(noisy, NAN), "nan"),
        (partial(noisy, -INF), "-inf"),
        (partial(heard, 2), "3 channels"),
        (partial(heard, 3, 2), "antennas"),
        (heard, "[records, time]"),
    ],
)
def test_nonsense_is_refused_in_words(call: Callable[[], object], words: str) -> None:
    with pytest.raises(GroundwaveError) as caught:
        call()
    assert words in str(caught.value)


def test_the_least_that_makes_sense_is_not_refused() -> None:
    assert record(1, 1).shape == (1, 1)
    assert Air(2, 1e-3, (0.0, 0.0)).samples_per_symbol == 2
    assert heard(3).shape == (3, 100)
    assert root_raised_cosine(1, 1, 0.0).shape == (1,)
    assert adc(X, ONE, ONE).shape == X.shape
    assert memory_polynomial(X[:, :3], MEMORY).shape == (3, 1)
    torch.testing.assert_close(noisy(INF)[1], X[1], rtol=0, atol=0)
