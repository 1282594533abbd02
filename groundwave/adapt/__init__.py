"""Learners: few labels in, a predictor out. A feature learner is one class and one line in `LEARNERS`."""

from collections.abc import Callable
from functools import partial

from groundwave.adapt.curriculum import CurriculumLabeling, QueryCurriculum
from groundwave.adapt.discriminant import LDA, Euclidean
from groundwave.adapt.linear import FeatureLearner, Logistic, Prototype, Ridge
from groundwave.adapt.mlp import MLP
from groundwave.adapt.transductive import LabelPropagation, SoftKMeans

LEARNERS: dict[str, Callable[..., FeatureLearner]] = {
    "curriculum": CurriculumLabeling,
    "euclidean": Euclidean,
    "label_propagation": LabelPropagation,
    "lda": LDA,
    "logistic": Logistic,
    "mlp": MLP,
    "protobeam": partial(Euclidean, unit=True),
    "prototype": Prototype,
    "query_curriculum": QueryCurriculum,
    "ridge": Ridge,
    "soft_kmeans": SoftKMeans,
}
