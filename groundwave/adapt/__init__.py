"""Learners: few labels in, a predictor out. A feature learner is one class and one line in `LEARNERS`."""

from collections.abc import Callable

from groundwave.adapt.linear import FeatureLearner, Logistic, Prototype, Ridge
from groundwave.adapt.mlp import MLP

LEARNERS: dict[str, Callable[..., FeatureLearner]] = {
    "logistic": Logistic,
    "mlp": MLP,
    "prototype": Prototype,
    "ridge": Ridge,
}
