"""White features against the inverse square root of a covariance written out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from groundwave.data.sources import Records
from groundwave.model import InputContract, Model
from groundwave.nn.white import RIDGE, White
from groundwave.pretrain.whitening import whitened
from groundwave.views import AddNoise, Normalise


class Same(nn.Module):
    """A backbone that looks at its input as it is."""

    num_features = 12

    def tokens(self, x: Tensor) -> Tensor:
        return x[:, None]

    def forward(self, x: Tensor) -> Tensor:
        return x


def views(num_records: int = 400, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return two looks at records, which nuisances of very unlike strength move."""
    draw = torch.Generator().manual_seed(seed)
    mixing = torch.randn(12, 12, generator=draw) * torch.logspace(-1, 1, 12)
    signal = torch.randn(num_records, 12, generator=draw)
    one, other = (signal + torch.randn(num_records, 12, generator=draw) @ mixing for _ in range(2))
    return one, other


def slow_map(one: Tensor, other: Tensor, halved: bool = True) -> np.ndarray:
    """Return the matrix of the map for standardised features, by eigenvalues of the covariance."""
    a, b = one.double().numpy(), other.double().numpy()
    scale = np.concatenate([a, b]).std(axis=0, ddof=1)
    covariance = np.zeros((12, 12))
    for x, y in zip(a / scale, b / scale, strict=True):
        covariance += np.outer(x - y, x - y) / len(a) / (2 if halved else 1)
    share = np.trace(covariance) / 12 if halved else 1.0
    values, vectors = np.linalg.eigh((1 - RIDGE) * covariance / share + RIDGE * np.eye(12))
    return vectors @ np.diag(values**-0.5) @ vectors.T


def test_the_map_is_the_inverse_root_of_the_shrunk_covariance_of_nuisances() -> None:
    one, other = views()
    white = White(backbone=Same(), rank=12).learn(one, other)
    both = torch.cat([one, other])
    standard = ((both - both.mean(0)) / both.std(0)).double().numpy()
    found = white(both).double().numpy()
    np.testing.assert_allclose(found, standard @ slow_map(one, other), atol=1e-3)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(found, standard @ slow_map(one, other, halved=False), atol=1e-3)


def test_a_few_directions_whiten_the_strongest_nuisances() -> None:
    one, other = views()
    few, all_of_them = (White(backbone=Same(), rank=rank).learn(one, other) for rank in (3, 12))
    torch.testing.assert_close(few(one) @ few.directions, all_of_them(one) @ all_of_them.directions[:, :3])
    left = (few(one) - few(other)) @ all_of_them.directions[:, 3:]
    white = (all_of_them(one) - all_of_them(other)) @ all_of_them.directions[:, 3:]
    assert left.square().mean() > 1.2 * white.square().mean()  # one factor for all: as if they never differed


def test_before_learning_it_changes_nothing_and_what_never_differs_stays_finite() -> None:
    one, _ = views()
    white = White(backbone=Same(), rank=4)
    assert white(one).equal(one)
    assert white.learn(one, one.clone())(one).isfinite().all()


def test_a_whitened_model_is_saved_and_loaded_and_the_same_seed_gives_it_again(tmp_path: Path) -> None:
    torch.manual_seed(0)
    contract = InputContract(num_samples=64, min_samples=64, max_samples=64)
    model = Model.build("residual", contract, {"dim": 8})
    record = {"iq": torch.randn(50, 64, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))}
    source, rows = Records(record), torch.arange(10, 50)

    def make(seed: int) -> Tensor:
        looks = (AddNoise((0.0, 10.0)), Normalise())
        white = whitened(model, source, rows, looks, seed=seed, rank=6)
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        loaded = Model.load(white.save(folder))
        torch.testing.assert_close(loaded.embed(record), white.embed(record))
        return white.embed(record)

    assert make(0).equal(make(0))
    assert not make(0).equal(make(1))
    assert not make(0).equal(model.embed(record))
