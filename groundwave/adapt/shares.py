"""Learners of shares: what each record holds of each class, where more is known than which class is the first.

Of a beam that was found by trying all, the powers of all others are known, too: `target` `[B, C]` tells how good each
would have been.
"""

from typing import Self

import torch
from torch import Tensor, nn

from groundwave.adapt.descent import descend
from groundwave.contracts import Record
from groundwave.rng import generator

BATCH = 256


def power_shares(power_db: Tensor, share: float = 0.3) -> Tensor:
    """Return targets `[B, C]`: the strongest counts `1 - share`, and `share` is dealt out by the powers in dB."""
    strongest = nn.functional.one_hot(power_db.argmax(dim=1), power_db.shape[1]).to(power_db)
    return (1 - share) * strongest + share * power_db.softmax(dim=1)


class SharesMLP:
    """A perceptron with two hidden layers, trained on batches of slightly noisy features.

    Args:
        steps: gradient steps.
        lr: learning rate at the beginning.
        hidden: width.
        noise: standard deviation of what is added to features.
        seed: of weights, batches and noise.
        start: a trained one to go on from.
    """

    def __init__(
        self,
        steps: int = 800,
        lr: float = 2e-3,
        hidden: int = 256,
        noise: float = 0.05,
        seed: int = 0,
        start: "SharesMLP | None" = None,
    ) -> None:
        self.steps, self.lr, self.hidden, self.noise, self.seed = steps, lr, hidden, noise, seed
        self.start = start

    def fit(self, support: Record) -> Self:
        """Learn `target` `[B, C]` from `features` `[B, D]`."""
        features, target = support["features"], support["target"]
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.set_state(generator(self.seed, "shares").get_state())
            self.network = _perceptron(features.shape[1], self.hidden, target.shape[1])
        if self.start is not None:
            self.network.load_state_dict(self.start.network.state_dict())
        draw = generator(self.seed, "shares", "batches")

        def loss(_: int) -> Tensor:
            rows = torch.randint(len(features), (min(BATCH, len(features)),), generator=draw)
            seen = features[rows]
            seen = seen + self.noise * torch.randn(seen.shape, generator=draw)
            surprise: Tensor = -(target[rows] * self.network(seen).log_softmax(dim=1)).sum(dim=1)
            return surprise.mean()

        descend(self.network.parameters(), loss, steps=self.steps, lr=self.lr, weight_decay=0.01)
        return self

    @torch.no_grad()
    def predict(self, query: Record) -> Tensor:
        """Return shares `[B, C]`."""
        return self.network(query["features"]).softmax(dim=1)  # type: ignore[no-any-return]


def _perceptron(num_features: int, hidden: int, num_classes: int) -> nn.Sequential:
    first, second = nn.Linear(num_features, hidden), nn.Linear(hidden, hidden)
    return nn.Sequential(first, nn.GELU(), second, nn.GELU(), nn.Linear(hidden, num_classes))


class SharesForest:
    """Extremely randomised trees whose leaves hold shares (Geurts et al., 2006; scikit-learn's).

    Args:
        num_trees: how many.
        seed: of the trees.
    """

    def __init__(self, num_trees: int = 100, seed: int = 0) -> None:
        self.num_trees, self.seed = num_trees, seed

    def fit(self, support: Record) -> Self:
        """Grow the trees on `features` `[B, D]` and `target` `[B, C]`."""
        from sklearn.ensemble import ExtraTreesRegressor

        self.trees = ExtraTreesRegressor(self.num_trees, min_samples_leaf=2, random_state=self.seed)
        self.trees.fit(support["features"].numpy(), support["target"].numpy())
        return self

    def predict(self, query: Record) -> Tensor:
        """Return shares `[B, C]`."""
        return torch.as_tensor(self.trees.predict(query["features"].numpy())).float()
