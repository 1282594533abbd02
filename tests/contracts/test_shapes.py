"""The shapes in the signatures of `groundwave.signal` are checked while the tests run."""

import pytest
import torch
from jaxtyping import TypeCheckError

from groundwave.signal.noise import noise_power, power


def test_shapes_that_fit_pass() -> None:
    torch.testing.assert_close(noise_power(torch.ones(3, 8, dtype=torch.complex64), torch.zeros(3)), torch.ones(3))


def test_a_shape_that_does_not_fit_is_caught() -> None:
    with pytest.raises(TypeCheckError):
        noise_power(torch.ones(3, 8, dtype=torch.complex64), torch.zeros(4))


def test_a_type_that_does_not_fit_is_caught() -> None:
    with pytest.raises(TypeCheckError):
        power(torch.ones(3, 8))
