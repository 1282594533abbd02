"""Learners: few labels in, a predictor out. A feature learner is one class and one line in `LEARNERS`."""

from collections.abc import Callable

from groundwave.adapt.curriculum import CurriculumLabeling, QueryCurriculum, WhiteCurriculum, WhiteQueryCurriculum
from groundwave.adapt.discriminant import LDA, CrossValidatedLDA, Euclidean, UnitEuclidean, WhiteLDA
from groundwave.adapt.linear import FeatureLearner, Logistic, Prototype, Ridge
from groundwave.adapt.mlp import MLP
from groundwave.adapt.transductive import LabelPropagation, SoftKMeans

LEARNERS: dict[str, Callable[..., FeatureLearner]] = {
    "curriculum": CurriculumLabeling,
    "euclidean": Euclidean,
    "label_propagation": LabelPropagation,
    "lda": LDA,
    "lda_cv": CrossValidatedLDA,
    "logistic": Logistic,
    "mlp": MLP,
    "protobeam": UnitEuclidean,
    "prototypes": Prototype,
    "query_curriculum": QueryCurriculum,
    "ridge": Ridge,
    "soft_kmeans": SoftKMeans,
    "white_curriculum": WhiteCurriculum,
    "white_lda": WhiteLDA,
    "white_query_curriculum": WhiteQueryCurriculum,
}
