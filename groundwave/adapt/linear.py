"""Learners whose predictor is linear in the features: nearest prototype, ridge, logistic regression."""

from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from groundwave.adapt.support import check_support
from groundwave.contracts import Record
from groundwave.nn.heads import CosineHead, LinearHead


class FeatureLearner:
    """What the learners of this folder share: a head of the table `HEADS`, learned from features.

    Attributes:
        head_name: the head's name in `HEADS`.
        head: the learned head.
        transductive: whether an answer depends on the other queries of its batch, so that no head can give it.
    """

    transductive = False
    head_name: str
    head: nn.Module

    def fit(self, support: Record) -> Self:
        """Learn a head from `features` `[B, D]` and `label` `[B]`."""
        raise NotImplementedError

    def predict(self, query: Record) -> Tensor:
        """Return class probabilities `[B, C]` for `features` `[B, D]`."""
        with torch.no_grad():
            return self.head(query["features"]).softmax(dim=-1)  # type: ignore[no-any-return]

    def head_args(self) -> dict[str, Any]:
        """Return the arguments that rebuild the head."""
        raise NotImplementedError


class Prototype(FeatureLearner):
    """Cosine to the mean of each class's centred, normalised features (Snell et al., 2017; Wang et al., 2019)."""

    head_name = "cosine"
    head: CosineHead

    def fit(self, support: Record) -> Self:
        """Take class means of the support."""
        features, label, num_classes = check_support(support)
        self.head = CosineHead(features.shape[1], num_classes)
        centre = features.mean(dim=0)
        unit = F.normalize(features - centre, dim=-1)
        means = torch.stack([unit[label == c].mean(dim=0) for c in range(num_classes)])
        self.head.load_state_dict({"centre": centre, "prototypes": means})
        return self

    def head_args(self) -> dict[str, Any]:
        """Return the arguments that rebuild the head."""
        num_classes, num_features = self.head.prototypes.shape
        return {"num_features": num_features, "num_classes": num_classes, "scale": self.head.scale}


class LinearLearner(FeatureLearner):
    """A learner that ends in a `LinearHead`; the standardisation of the support is folded into it.

    Attributes:
        standardise: whether each feature is scaled by its spread in the support, or its scale is a statement.
    """

    head_name = "linear"
    head: LinearHead
    standardise = True

    def solve(self, x: Tensor, label: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
        """Return weight `[C, D]` and bias `[C]` for standardised features."""
        raise NotImplementedError

    def fit(self, support: Record) -> Self:
        """Standardise the support, solve, and fold both into one affine map."""
        features, label, num_classes = check_support(support)
        mean = features.mean(dim=0)
        scale = features.std(dim=0, correction=0).clamp_min(1e-6) if self.standardise else torch.ones_like(mean)
        weight, bias = self.solve((features - mean) / scale, label, num_classes)
        weight = weight / scale
        self.head = LinearHead(features.shape[1], num_classes)
        self.head.load_state_dict({"weight": weight, "bias": bias - weight @ mean})
        return self

    def head_args(self) -> dict[str, Any]:
        """Return the arguments that rebuild the head."""
        return {"in_features": self.head.in_features, "out_features": self.head.out_features}


class Ridge(LinearLearner):
    """Ridge regression onto one-hot labels in closed form; scores are scaled to serve as logits.

    Args:
        penalty: weight of the squared norm, relative to the number of features.
        scale: from regression scores (0 to 1) to logits.
    """

    def __init__(self, penalty: float = 1.0, scale: float = 10.0) -> None:
        self.penalty, self.scale = penalty, scale

    def solve(self, x: Tensor, label: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
        """Solve in the dual, because a support has fewer records than features."""
        target = F.one_hot(label, num_classes).to(x)
        bias = target.mean(dim=0)
        gram = x @ x.T + self.penalty * x.shape[1] * torch.eye(len(x))
        weight = torch.linalg.solve(gram, target - bias).T @ x
        return self.scale * weight, self.scale * bias


class Logistic(LinearLearner):
    """Multinomial logistic regression with an L2 penalty (scikit-learn's).

    Args:
        inverse_penalty: scikit-learn's C.
    """

    def __init__(self, inverse_penalty: float = 1.0) -> None:
        self.inverse_penalty = inverse_penalty

    def solve(self, x: Tensor, label: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
        """Fit by L-BFGS."""
        from sklearn.linear_model import LogisticRegression

        regression = LogisticRegression(C=self.inverse_penalty, max_iter=1000).fit(x.numpy(), label.numpy())
        weight = torch.as_tensor(regression.coef_, dtype=torch.float32)
        bias = torch.as_tensor(regression.intercept_, dtype=torch.float32)
        if num_classes == 2:  # scikit-learn keeps one row for two classes
            return torch.cat([-weight / 2, weight / 2]), torch.cat([-bias / 2, bias / 2])
        return weight, bias
