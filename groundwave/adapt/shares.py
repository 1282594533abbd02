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
_FORGET = 0.15  # how often a record's code is left out
_CODE_STEPS, _CODE_LR = 100, 0.02


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
    """

    def __init__(
        self, steps: int = 800, lr: float = 2e-3, hidden: int = 256, noise: float = 0.05, seed: int = 0
    ) -> None:
        self.steps, self.lr, self.hidden, self.noise, self.seed = steps, lr, hidden, noise, seed

    def fit(self, support: Record) -> Self:
        """Learn `target` `[B, C]` from `features` `[B, D]`."""
        features, target = support["features"], support["target"]
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.set_state(generator(self.seed, "shares").get_state())
            self.network = _perceptron(features.shape[1], self.hidden, target.shape[1])
        draw = generator(self.seed, "shares", "batches")

        def loss(_: int) -> Tensor:
            rows = torch.randint(len(features), (min(BATCH, len(features)),), generator=draw)
            seen = features[rows]
            seen = seen + self.noise * torch.randn(seen.shape, generator=draw)
            return _surprise(self.network(seen), target[rows])

        descend(self.network.parameters(), loss, steps=self.steps, lr=self.lr, weight_decay=0.01)
        return self

    @torch.no_grad()
    def predict(self, query: Record) -> Tensor:
        """Return shares `[B, C]`."""
        return self.network(query["features"]).softmax(dim=1)  # type: ignore[no-any-return]


class SitesMLP:
    """A perceptron that learns from several sites, and of each site a code that stands beside the features (ours).

    What all sites share is in the network, how one differs in its few numbers. So a new site with few labels gets a
    code that fits them, and the network stays as it is (as users' vectors do in few-shot adaptation; CAVIA, Zintgraf
    et al., 2019). Codes are left out now and then: a site without any label has none.

    Args:
        steps: gradient steps of the network.
        few: up to so many labels of the home site, only its code is fitted to them; with more, all is learned at once.
        code: numbers of a code.
        hidden: width of both hidden layers.
        noise: standard deviation of what is added to features.
        seed: of weights, batches and noise.
    """

    def __init__(
        self, steps: int = 2000, few: int = 128, code: int = 8, hidden: int = 256, noise: float = 0.05, seed: int = 0
    ) -> None:
        self.steps, self.few, self.code, self.hidden, self.noise, self.seed = steps, few, code, hidden, noise, seed

    def fit(self, support: Record) -> Self:
        """Learn `target` `[B, C]` from `features` `[B, D]` of each `site` `[B]`; rows of one's own site have `home`.

        With `weight` `[B]`, some are seen more often than others.
        """
        site, home = support["site"], support["home"]
        shared = torch.ones_like(home) if int(home.sum()) > self.few else ~home
        sizes = support["features"].shape[1] + self.code, self.hidden, support["target"].shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.set_state(generator(self.seed, "sites").get_state())
            self.network = _perceptron(*sizes)
        self.codes = nn.Parameter(torch.zeros(int(site.max()) + 1, self.code))
        rare = site[shared].bincount(minlength=len(self.codes)).clamp_min(1).rsqrt()  # small sites are seen more often
        often = rare[site] * support.get("weight", torch.ones(len(site)))
        both = [*self.network.parameters(), self.codes]
        rows = {name: support[name][shared] for name in ("features", "target", "site")}
        self._learn(both, rows, often[shared], self.steps, lr=2e-3, forget=_FORGET)
        if not bool(shared.all()):
            rows = {name: support[name][~shared] for name in rows}
            self._learn([self.codes], rows, torch.ones(len(rows["site"])), _CODE_STEPS, lr=_CODE_LR)
        self.codes.requires_grad_(False)
        return self

    def _learn(
        self, parameters: list[nn.Parameter], rows: Record, often: Tensor, steps: int, lr: float, forget: float = 0.0
    ) -> None:
        draw = generator(self.seed, "sites", "batches")

        def loss(_: int) -> Tensor:
            batch = torch.multinomial(often, BATCH, replacement=True, generator=draw)
            seen = rows["features"][batch]
            seen = seen + self.noise * torch.randn(seen.shape, generator=draw)
            told = torch.rand((len(seen), 1), generator=draw) >= forget
            codes = self.codes[rows["site"][batch]] * told
            return _surprise(self.network(torch.cat([seen, codes], dim=1)), rows["target"][batch])

        descend(parameters, loss, steps=steps, lr=lr, weight_decay=0.01 * (len(parameters) > 1))

    @torch.no_grad()
    def predict(self, query: Record) -> Tensor:
        """Return shares `[B, C]`, each record's by the code of its `site`, none for a site that is new."""
        new = max(0, int(query["site"].max()) + 1 - len(self.codes))
        codes = nn.functional.pad(self.codes, (0, 0, 0, new))
        seen = torch.cat([query["features"], codes[query["site"]]], dim=1)
        return self.network(seen).softmax(dim=1)  # type: ignore[no-any-return]


def _surprise(scores: Tensor, target: Tensor) -> Tensor:
    """Return the mean cross entropy with targets that are shares."""
    return -(target * scores.log_softmax(dim=1)).sum(dim=1).mean()


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
