"""LSM's head and vote against a slow twin, and each published leak, off unless it is asked for."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from groundwave.bench import patches
from groundwave.bench.patches import AS_RELEASED, HONEST, Leaks, PatchVote
from groundwave.contracts import Record
from groundwave.rng import generator
from groundwave.views import Crop, Rotate

PATCH = 4


class Tiny(nn.Module):
    """A linear layer with batch norm over flattened patches."""

    num_features = 6

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(2 * PATCH, 6), nn.BatchNorm1d(6))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def encoder() -> Tiny:
    torch.manual_seed(0)
    return Tiny().eval()


def records(num: int = 12, seed: int = 0) -> Record:
    """Return constant signals against alternating ones; the last samples do not fill a patch."""
    label = torch.arange(num) % 2
    sign = torch.where(label[:, None] == 0, 1.0, (-1.0) ** torch.arange(14)[None])
    noise = 0.1 * torch.randn(num, 14, dtype=torch.complex64, generator=generator(seed, "noise"))
    return {"iq": sign + noise, "label": label}


def learner(leaks: Leaks = HONEST, steps: int = 200, **settings: float) -> PatchVote:
    return PatchVote(encoder(), [Crop(PATCH), Rotate()], PATCH, steps=steps, leaks=leaks, **{"lr": 1e-2, **settings})


def slow_vote(fitted: PatchVote, iq: Tensor, weighted: bool = True, bent: bool = False) -> np.ndarray:
    """Vote record by record and patch by patch, in NumPy after the network."""
    answers = []
    for signal in iq:
        total = np.zeros(2)
        for k in range(len(signal) // PATCH):
            patch = signal[None, k * PATCH : (k + 1) * PATCH]
            with torch.no_grad():
                scores = fitted.head(patches.encode(fitted.encoder, patch).float())[0].double().numpy()
            scores = np.where(scores < 0, 0.2 * scores, scores) if bent else scores
            p = np.exp(0.1 * scores) / np.exp(0.1 * scores).sum()
            total += p * (p.max() if weighted else 1)
        answers.append(total / total.sum())
    return np.stack(answers)


def test_the_vote_is_that_of_the_slow_twin() -> None:
    fitted = learner(steps=20, lr=0.3).fit(records())
    query = records(seed=1)["iq"]
    found = fitted.predict({"iq": query}).numpy()
    np.testing.assert_allclose(found, slow_vote(fitted, query), atol=1e-6)
    wrong = slow_vote(fitted, query, weighted=False)
    assert np.abs(found - wrong).max() > 1e-5, "a vote without weights would go unnoticed"


def test_features_that_are_known_beforehand_give_the_same_vote() -> None:
    fitted = learner(steps=20, lr=0.3).fit(records())
    query = records(300, seed=1)["iq"]
    features = patches.patch_features(fitted.encoder, query, PATCH)
    assert features.shape == (300, 3 * 6)
    torch.testing.assert_close(fitted.predict({"iq": query, "features": features}), fitted.predict({"iq": query}))
    assert not fitted.predict({"iq": query, "features": features.flip(0)}).equal(fitted.predict({"iq": query}))


def test_bent_scores_bend_the_vote() -> None:
    fitted = learner(Leaks(bent_logits=True), steps=20, lr=0.3).fit(records())
    query = records(seed=1)["iq"]
    found = fitted.predict({"iq": query}).numpy()
    np.testing.assert_allclose(found, slow_vote(fitted, query, bent=True), atol=1e-6)
    assert np.abs(found - slow_vote(fitted, query)).max() > 1e-5


def test_it_learns_from_crops_and_answers_new_records() -> None:
    fitted = learner().fit(records())
    query = records(40, seed=2)
    assert (fitted.predict(query).argmax(dim=-1) == query["label"]).float().mean() > 0.95


def test_the_same_seed_gives_the_same_answers_and_another_does_not() -> None:
    answers = [learner(steps=5, seed=seed).fit(records()).predict(records(seed=1)) for seed in (0, 0, 1)]
    torch.testing.assert_close(answers[0], answers[1], rtol=0, atol=0)
    assert not answers[0].equal(answers[2])


def test_leaks_are_off_by_default() -> None:
    assert HONEST == Leaks() == Leaks(best_on_test=False, bent_logits=False, drift=False)
    assert all(vars(AS_RELEASED).values())


@pytest.mark.parametrize("drift", [False, True])
def test_only_drift_moves_the_statistics_and_only_within_an_episode(drift: bool) -> None:
    fitted = learner(Leaks(drift=drift), steps=5)
    before = {name: values.clone() for name, values in fitted.encoder.state_dict().items()}
    fitted.fit(records())
    torch.testing.assert_close(fitted.encoder.state_dict(), before, rtol=0, atol=0)
    moved = not fitted.network.state_dict()["layers.2.running_mean"].equal(before["layers.2.running_mean"])
    assert moved == drift
    assert not any(parameter.requires_grad and parameter.grad is not None for parameter in fitted.network.parameters())


def test_the_best_head_on_the_queries_is_kept_only_when_that_leak_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patches, "STEPS_BETWEEN_LOOKS", 1)
    query = records(seed=1)
    wrong = {**query, "label": 1 - query["label"]}  # the longer it learns, the worse its answers get
    accuracy = {}
    for leaks in (HONEST, Leaks(best_on_test=True)):
        fitted = learner(leaks, steps=400, lr=3e-4)
        fitted.see(wrong)
        fitted.fit(records())
        accuracy[leaks] = float((fitted.predict(wrong).argmax(dim=-1) == wrong["label"]).float().mean())
    assert accuracy[HONEST] < accuracy[Leaks(best_on_test=True)]
