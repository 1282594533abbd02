"""LSM's own few-shot procedure: a head trained on fresh crops, answers by a vote of disjoint patches."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from groundwave.adapt.support import check_support
from groundwave.contracts import Record, View
from groundwave.nn.complex import to_channels
from groundwave.nn.heads import MLPHead
from groundwave.rng import generator
from groundwave.views import Compose

SHARPNESS = 0.1  # of the softmax whose highest probability is the weight of a patch's vote
RECORDS_AT_ONCE = 256
STEPS_AT_ONCE = 50  # steps whose crops go through the frozen encoder as one batch
STEPS_BETWEEN_LOOKS = 100  # at the test side, where that is asked for


@dataclass(frozen=True)
class Leaks:
    """What the released code does and should not; each is off by default.

    Args:
        best_on_test: look at the accuracy on the queries every 100 steps and keep the best head.
        bent_logits: pass the scores through LeakyReLU 0.2, so that the softmax sees few negative ones.
        drift: let batch norm's running statistics follow the support while the head learns.
    """

    best_on_test: bool = False
    bent_logits: bool = False
    drift: bool = False


HONEST, AS_RELEASED = Leaks(), Leaks(best_on_test=True, bent_logits=True, drift=True)


class PatchVote:
    """A learner: `MLPHead` on frozen features, one fresh crop per record and step, a vote of patches (LSM, sec. IV).

    Each of a query's disjoint patches votes with p = softmax(0.1 scores), weighted by its highest probability; what is
    left behind the last whole patch is not used. Inputs are taken as they are, without scaling. Queries may bring
    `features`, what `patch_features` returns: they are the same in all episodes, unless the encoder drifts.

    Args:
        encoder: frozen; takes channels `[B, 2, patch]`.
        views: the crop and the perturbations of a step.
        patch: samples per patch.
        steps: gradient steps; about 2000 as published.
        lr: Adam's constant learning rate; 1e-4 as published.
        seed: of head and views.
        leaks: published faults to repeat.
    """

    def __init__(
        self,
        encoder: nn.Module,
        views: Sequence[View],
        patch: int,
        steps: int = 2000,
        lr: float = 1e-4,
        seed: int = 0,
        leaks: Leaks = HONEST,
    ) -> None:
        self.encoder, self.view, self.patch = encoder, Compose(views), patch
        self.steps, self.lr, self.seed, self.leaks = steps, lr, seed, leaks
        self.device = next(encoder.parameters()).device
        self.num_features = int(encoder.num_features)  # type: ignore[arg-type]
        self.queries: Record = {}

    def see(self, query: Record) -> None:
        """Be told `iq` (or `features`) and `label` of the queries before `fit`, for `leaks.best_on_test` alone."""
        self.queries = query

    def fit(self, support: Record) -> Self:
        """Train a new head on complex `iq` `[B, time]` and `label` `[B]`."""
        _, label, num_classes = check_support(support, "iq")
        # What drifts must not drift into the next episode.
        self.network = deepcopy(self.encoder) if self.leaks.drift else self.encoder
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.set_state(generator(self.seed, "patch vote").get_state())
            self.head = MLPHead(self.num_features, num_classes).to(self.device)
        optimizer = torch.optim.Adam(self.head.parameters(), lr=self.lr)
        best, label = -1.0, label.to(self.device)
        for step, features in enumerate(self._crops(support["iq"]), start=1):
            loss = F.cross_entropy(self._scores(features), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if self.leaks.best_on_test and (step % STEPS_BETWEEN_LOOKS == 0 or step == self.steps):
                best = self._look(best)
        if self.leaks.best_on_test:
            self.head.load_state_dict(self._best_head)
        return self

    def predict(self, query: Record) -> Tensor:
        """Return class probabilities `[B, C]` for complex `iq` `[B, time]`."""
        return self._vote(query)

    def _crops(self, iq: Tensor) -> Iterator[Tensor]:
        """Yield the features of a fresh crop of each record, step by step."""
        at_once = 1 if self.leaks.drift else STEPS_AT_ONCE  # drifting statistics are those of a single step
        for start in range(0, self.steps, at_once):
            steps = min(at_once, self.steps - start)
            many = {"iq": iq.repeat(steps, 1)}
            crops = self.view(many, generator(self.seed, "crops", start))["iq"]
            self.network.train(self.leaks.drift)
            features = encode(self.network, crops).float()
            self.network.eval()
            yield from features.split(len(iq))

    def _scores(self, features: Tensor) -> Tensor:
        scores: Tensor = self.head(features)
        return F.leaky_relu(scores, 0.2) if self.leaks.bent_logits else scores

    @torch.no_grad()
    def _vote(self, query: Record) -> Tensor:
        """Return the normalised weighted sum of the patches' votes."""
        known = "features" in query and not self.leaks.drift
        features = query["features"] if known else patch_features(self.network.eval(), query["iq"], self.patch)
        votes = []
        for batch in features.split(RECORDS_AT_ONCE):
            scores = self._scores(batch.to(self.device).float().unflatten(1, (-1, self.num_features)))
            vote = (SHARPNESS * scores).softmax(dim=-1)
            votes.append((vote * vote.amax(dim=-1, keepdim=True)).sum(dim=1).cpu())
        total = torch.cat(votes)
        return total / total.sum(dim=-1, keepdim=True)

    def _look(self, best: float) -> float:
        """Return the best accuracy on the queries so far, and keep the head that had it."""
        assert self.queries, "a look at the queries needs the queries"
        hits = self._vote(self.queries).argmax(dim=-1) == self.queries["label"]
        found = float(hits.float().mean())
        if found > best:
            self._best_head = {name: values.clone() for name, values in self.head.state_dict().items()}
        return max(best, found)


@torch.no_grad()
def encode(network: nn.Module, iq: Tensor) -> Tensor:
    """Return features `[B, D]` of complex crops `[B, patch]` in half precision, on the network's device."""
    device = next(network.parameters()).device
    with torch.autocast(device.type, torch.bfloat16):
        return network(to_channels(iq).to(device)).half()  # type: ignore[no-any-return]


def patch_features(network: nn.Module, iq: Tensor, patch: int) -> Tensor:
    """Return the features of each record's disjoint patches side by side, `[B, patches * D]`, in half precision."""
    count = iq.shape[-1] // patch
    batches = iq[:, : count * patch].split(RECORDS_AT_ONCE)
    return torch.cat(
        [encode(network, batch.reshape(-1, patch)).cpu().unflatten(0, (-1, count)).flatten(1) for batch in batches]
    )
