"""Directions by prototypes: beside loops, and what residuals mend."""

import math

import pytest
import torch

from groundwave.adapt.angles import PrototypeRegression, ResidualPrototypes
from groundwave.errors import DataError
from groundwave.rng import generator


def test_the_mean_of_prototypes_is_weighted_by_a_softmax_over_distances() -> None:
    draw = generator(0, "prototypes")
    features, query = (torch.randn(num, 3, generator=draw) for num in (9, 5))
    value = torch.tensor([10.0, 20.0, 40.0]).repeat(3)
    found = PrototypeRegression().fit(features, value).predict(query)
    nearest = PrototypeRegression(nearest=True).fit(features, value).predict(query)
    for place in range(5):
        distance = {}
        for one in (10.0, 20.0, 40.0):
            rows = [i for i in range(9) if float(value[i]) == one]
            mean = [sum(float(features[i, d]) for i in rows) / 3 for d in range(3)]
            distance[one] = sum((float(query[place, d]) - mean[d]) ** 2 for d in range(3))
        total = sum(math.exp(-d) for d in distance.values())
        wanted = sum(one * math.exp(-d) for one, d in distance.items()) / total
        assert float(found[place]) == pytest.approx(wanted, rel=1e-4)
        assert float(nearest[place]) == min(distance, key=lambda one: distance[one])


def test_residuals_take_out_what_an_array_does_to_all_estimates_and_to_those_nearby() -> None:
    truth = torch.linspace(-60, 60, 61)
    for bias in (torch.full((61,), 3.0), 4 * (truth / 20).sin()):
        estimate = truth + bias
        mended = ResidualPrototypes(2.0).fit(estimate, truth).predict(estimate)
        assert float((mended - truth).abs().max()) < 0.35 < float((estimate - truth).abs().max())
    far = ResidualPrototypes(2.0).fit(torch.tensor([0.0, 50.0]), torch.tensor([1.0, 40.0]))
    torch.testing.assert_close(far.predict(torch.tensor([1.0, 49.0])), torch.tensor([2.0, 39.0]))


def test_values_that_are_missing_are_told() -> None:
    with pytest.raises(DataError, match="label them all"):
        PrototypeRegression().fit(torch.zeros(3, 2), torch.zeros(2))
