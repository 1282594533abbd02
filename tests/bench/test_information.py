"""Mutual information of Gaussians, and of classes of them, against closed forms and a numerical integral."""

import math

import numpy as np
import pytest
import torch
from numpy.random import default_rng

from groundwave.bench.information import (
    AS_MANY,
    BETWEEN_FEATURES,
    WITH_LABELS,
    Array,
    blocks_of,
    gaussian_copula,
    information,
    ksg,
    principal,
    probe,
    ross,
)
from groundwave.bench.information_picture import information_picture
from groundwave.errors import DataError


def pair(correlation: float, num_dims: int, num: int = 1500, seed: int = 0) -> tuple[Array, Array]:
    x, other = default_rng(seed).standard_normal((2, num, num_dims))
    return x, correlation * x + math.sqrt(1 - correlation**2) * other


def closed_form(correlation: float, num_dims: int) -> float:
    return -num_dims / 2 * math.log2(1 - correlation**2)


@pytest.mark.parametrize("estimator", BETWEEN_FEATURES)
@pytest.mark.parametrize(("correlation", "num_dims"), [(0.0, 1), (0.0, 3), (0.5, 1), (0.5, 2), (0.8, 1)])
def test_gaussians_tell_what_the_closed_form_says(estimator: str, correlation: float, num_dims: int) -> None:
    found = BETWEEN_FEATURES[estimator](*pair(correlation, num_dims))
    assert found == pytest.approx(closed_form(correlation, num_dims), abs=0.1)


def test_many_dimensions_that_tell_nothing_do_not_seem_to_tell_something() -> None:
    found = [gaussian_copula(*pair(0, 10, 300, seed)) for seed in range(5)]
    assert np.mean(found) == pytest.approx(0, abs=0.05)
    x, y = pair(0, 10, 300)
    biased = -np.log2(np.linalg.det(np.corrcoef(x.T, y.T))) / 2
    biased += np.log2(np.linalg.det(np.corrcoef(x.T)) * np.linalg.det(np.corrcoef(y.T))) / 2
    assert biased > 0.2, "what the plain formula says"


@pytest.mark.parametrize("estimator", BETWEEN_FEATURES)
def test_monotone_distortions_of_a_column_change_little(estimator: str) -> None:
    x, y = pair(0.8, 1)
    found, bent = (BETWEEN_FEATURES[estimator](x, values) for values in (y, np.arctan(2 * y)))
    assert bent == pytest.approx(found, abs=0.1)


def test_neighbours_see_a_circle_that_ranks_do_not() -> None:
    angle, noise = default_rng(0).uniform(0, 2 * math.pi, (1500, 1)), default_rng(1).standard_normal((1500, 1))
    x, y = np.cos(angle), np.sin(angle) + 0.1 * noise
    assert ksg(x, y) > 1
    assert gaussian_copula(x, y) < 0.05


def test_two_coins_tell_nothing_of_each_other() -> None:
    one, other = default_rng(0).integers(0, 2, (2, 1500, 1)).astype(float)
    assert ksg(one, other) == pytest.approx(0, abs=0.1)


def classes(apart: float, num: int = 1200) -> tuple[Array, Array]:
    label = np.arange(num) % 3
    return apart * np.eye(3)[label] + default_rng(0).standard_normal((num, 3)), label


def integrated(apart: float) -> float:
    x, label = classes(apart, 120_000)
    log = -((x[:, None] - apart * np.eye(3)) ** 2).sum(-1) / 2
    share = np.exp(log[np.arange(len(x)), label]) / np.exp(log).sum(1)
    return math.log2(3) + float(np.log2(share).mean())


@pytest.mark.parametrize("estimator", WITH_LABELS)
@pytest.mark.parametrize("apart", [0.0, 1.0, 2.0, 8.0])
def test_classes_tell_what_the_integral_says(estimator: str, apart: float) -> None:
    found = WITH_LABELS[estimator](*classes(apart))
    assert found == pytest.approx(integrated(apart), abs=0.12)


def test_labels_that_say_nothing_are_not_learned_by_heart() -> None:
    x = default_rng(0).standard_normal((300, 3))
    label = default_rng(1).integers(0, 3, 300)
    assert all(of(x, label) < 0.1 for of in WITH_LABELS.values())


@pytest.mark.parametrize("num_dims", [4, 8, 16])
def test_ross_is_unbiased_on_shuffled_labels_of_as_many_dimensions_as_blocks_have(num_dims: int) -> None:
    draw = default_rng(0)
    found = [ross(draw.standard_normal((500, num_dims)), draw.permutation(np.arange(500) % 10)) for _ in range(5)]
    assert np.mean(found) == pytest.approx(0, abs=0.06)


def test_neighbours_take_the_room_for_what_is_asked_and_the_probe_hardly_does() -> None:
    draw, room = default_rng(0), np.repeat(np.arange(125), 4)

    def seen() -> Array:
        return draw.standard_normal((125, 4))[room] + 0.3 * draw.standard_normal((500, 4))

    x, y, label = seen(), seen(), draw.permutation(np.arange(125) % 10)[room]  # nothing knows of anything but its room
    assert ross(x, label) > 1
    assert probe(x, label) < 0.3
    assert ksg(x, y) > 0.5
    assert gaussian_copula(x, y) < 0.3
    assert ross(x, draw.permutation(label)) < 0.1, "without rooms it is unbiased"


def test_principal_components_are_the_largest_and_no_more_than_there_are() -> None:
    x = default_rng(0).standard_normal((50, 3)) * [1.0, 9.0, 3.0]
    some = principal(x, 2)
    covariance = np.cov(some.T)
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0, atol=1e-9)
    np.testing.assert_allclose(np.abs(np.corrcoef(some[:, 0], x[:, 1])[0, 1]), 1, atol=0.02)
    assert principal(np.repeat(x[:, :1], 4, axis=1), 3).shape == (50, 1)


def toy(num: int = 600) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Return embeddings whose first half is shared and whose second half is each modality's own, with a label of it."""
    draw = torch.Generator().manual_seed(0)
    shared, own, other = torch.randn(3, num, 2, generator=draw)
    noise = 0.3 * torch.randn(num, 2, generator=draw)
    label = 2 * (own[:, 0] > 0).long() + (shared[:, 0] > 0)
    return {"rgb": torch.cat([shared, own], 1), "depth": torch.cat([shared + noise, other], 1)}, label


def test_blocks_tell_apart_what_is_common_and_what_is_unique() -> None:
    embeddings, label = toy()
    label[:50] = -1
    found = {(one.between, one.estimator): one.bits for one in information(embeddings, label, common=0.5)}
    for estimator in BETWEEN_FEATURES:
        assert found["common: rgb, depth", estimator] > 2
        assert found["unique: rgb, depth", estimator] < 0.1
    for estimator in WITH_LABELS:
        assert found["unique: rgb, label", estimator] > 0.5 > found["unique: depth, label", estimator] + 0.3
        assert found["all: all, label", estimator] > found["common: all, label", estimator] + 0.3
        assert found["all: all, label", estimator] > found[AS_MANY, estimator] + 0.3


def test_more_dimensions_of_common_blocks_are_no_merit_of_the_unique_ones() -> None:
    draw = torch.Generator().manual_seed(0)
    shared, own, other = torch.randn(3, 800, 8, generator=draw)
    weak = torch.cat([torch.full((4,), 3.0), torch.ones(4)])  # the label lies in the later components of what is common
    label = (shared[:, 4:].sum(dim=1) > 0).long()
    embeddings = {name: torch.cat([shared * weak, x], dim=1) for name, x in (("rgb", own), ("depth", other))}
    found = {one.between: one.bits for one in information(embeddings, label, 0.5) if one.estimator == "probe"}
    assert found[AS_MANY] > found["common: all, label"] + 0.3
    assert found["all: all, label"] < found[AS_MANY] - 0.3


def test_all_dimensions_may_be_of_one_kind() -> None:
    z = torch.randn(10, 8)
    assert set(blocks_of(z, 1.0)) == {"common"}
    assert set(blocks_of(z, 0.0)) == {"unique"}
    assert [block.shape[1] for block in blocks_of(z, 0.75).values()] == [6, 2]


def test_too_few_records_are_told() -> None:
    embeddings, label = toy(40)
    with pytest.raises(DataError, match="labelled records"):
        information(embeddings, torch.full_like(label, -1), 0.5)
    with pytest.raises(DataError, match="give more records"):
        information(embeddings, torch.arange(40), 0.5)


def test_the_picture_has_a_bar_for_every_measure() -> None:
    embeddings, label = toy(200)
    runs = [
        information({n: z[half] for n, z in embeddings.items()}, label[half], 0.5)
        for half in torch.arange(200).chunk(2)
    ]
    figure = information_picture(runs, label_bits=2.0)
    left, right = figure.axes
    assert (len(left.patches), len(right.patches)) == (4, 16)
    assert left.patches[0].get_height() == pytest.approx(np.mean([run[0].bits for run in runs]))
