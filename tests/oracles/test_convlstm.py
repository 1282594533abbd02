"""ConvLSTM against a NumPy twin that goes step by step and cell by cell (Shi et al., 2015, eq. 3, no peepholes)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from groundwave.contract import SpectrogramContract
from groundwave.nn.convlstm import ConvLSTM
from groundwave.pretrain.msm import MaskedSpectrogramModeling
from groundwave.rng import generator

Array = NDArray[np.float64]
Weights = dict[str, Array]
DIM, SLICE = 3, 4


def convolve(picture: Array, kernels: Array) -> Array:
    """Correlate `[channels, freq, frame]` with `[outputs, channels, k, k]`, zeros around the picture."""
    reach = kernels.shape[-1] // 2
    padded = np.pad(picture, ((0, 0), (reach, reach), (reach, reach)))
    found = np.zeros((len(kernels), *picture.shape[1:]))
    for f in range(picture.shape[1]):
        for t in range(picture.shape[2]):
            around = padded[:, f : f + 2 * reach + 1, t : t + 2 * reach + 1]
            found[:, f, t] = (kernels * around).sum(axis=(1, 2, 3))
    return found


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def slow(x: Array, weights: Weights, depth: int, order: str = "ifog", forget_last: bool = False) -> Array:
    """Return `[dim, freq, time]` of one record `[channels, freq, time]`."""
    states = [np.zeros((2, DIM, x.shape[1], SLICE)) for _ in range(depth)]
    pictures = []
    for start in range(0, x.shape[2], SLICE):
        picture = x[:, :, start : start + SLICE]
        for layer, state in enumerate(states):
            name = f"layers.{layer}.from_"
            gates = convolve(picture, weights[f"{name}input.weight"]) + convolve(
                state[0], weights[f"{name}hidden.weight"]
            )
            gates += weights[f"{name}input.bias"][:, None, None]
            gate = dict(zip(order, np.split(gates, 4), strict=True))
            state[1] = sigmoid(gate["f"]) * state[1] + sigmoid(gate["i"]) * np.tanh(gate["g"])
            state[0] = sigmoid(gate["o"]) * np.tanh(state[1])
            picture = state[0].copy()
            if forget_last:
                state[:] = 0
        pictures.append(picture)
    return np.concatenate(pictures, axis=2)


WRONG: dict[str, Callable[[Array, Weights], Array]] = {
    "gates in another order": lambda x, w: slow(x, w, 2, order="fiog"),
    "no memory": lambda x, w: slow(x, w, 2, forget_last=True),
    "one layer": lambda x, w: slow(x, w, 1),
    "kernels turned": lambda x, w: slow(x, {k: v[..., ::-1, ::-1] if v.ndim == 4 else v for k, v in w.items()}, 2),
}


def example(**settings: Any) -> tuple[ConvLSTM, torch.Tensor]:
    torch.manual_seed(0)
    network = ConvLSTM(2, dim=DIM, depth=2, slice=SLICE, **settings).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return network, torch.randn(2, 2, 5, 12, dtype=torch.float64)


def arrays(network: ConvLSTM) -> Weights:
    return {name: parameter.detach().numpy() for name, parameter in network.named_parameters()}


def test_it_is_the_step_by_step_twin() -> None:
    network, x = example()
    expected = [slow(record, arrays(network), 2) for record in x.numpy()]
    np.testing.assert_allclose(network.cells(x).detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_twin_would_be_caught(name: str) -> None:
    network, x = example()
    assert np.abs(network.cells(x).detach().numpy()[0] - WRONG[name](x[0].numpy(), arrays(network))).max() > 1e-2


def test_a_sequence_goes_on_where_its_state_left_off() -> None:
    network, x = example()
    whole, _ = network.sequence(x)
    first, state = network.sequence(x[..., :8])
    second, _ = network.sequence(x[..., 8:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)
    assert whole.shape == (2, 3, DIM, 5, SLICE)
    assert (network.sequence(x[..., 8:])[0] - second).abs().max() > 1e-2


def test_later_slices_are_not_looked_at() -> None:
    network, x = example()
    changed = torch.cat([x[..., :8], x[..., 8:] + 1], dim=-1)
    torch.testing.assert_close(network.cells(changed)[..., :8], network.cells(x)[..., :8], rtol=0, atol=0)
    assert (network.cells(changed) - network.cells(x))[..., 8:].abs().max() > 1e-2


def test_tokens_are_the_cells_row_by_row() -> None:
    network, x = example()
    x = x[..., :10]  # not a whole number of slices
    torch.testing.assert_close(network.tokens(x).unflatten(1, network.grid(x)).permute(0, 3, 1, 2), network.cells(x))
    torch.testing.assert_close(network(x), network.tokens(x).mean(1))


def test_as_published_it_has_five_layers_of_64_kernels() -> None:
    gates = 4 * 64
    expected = 9 * gates * (1 + 64) + 4 * 9 * gates * (64 + 64) + 5 * gates
    assert sum(parameter.numel() for parameter in ConvLSTM().parameters()) == expected


def test_masked_modelling_trains_it_with_noise_and_its_published_output() -> None:
    torch.manual_seed(0)
    objective = MaskedSpectrogramModeling(
        ConvLSTM(1, dim=4, depth=2, slice=4),
        (),
        SpectrogramContract(min_freqs=8, min_frames=8),
        ratio=0.2,
        fill="noise",
        cell=(4, 4),
        decoder={"name": "conv3d", "slice": 4},
    )
    record = {"spec": torch.randn(4, 16, 18, generator=generator(0))}
    objective(record, generator(0))["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in objective.parameters())
    x, hidden, drawn = objective.reconstruct(record, generator(0))
    assert torch.equal(x != drawn, hidden)
