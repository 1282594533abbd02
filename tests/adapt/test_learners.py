"""Learners: what all of them keep, and what each of them is."""

import pytest
import torch

from groundwave.adapt import LEARNERS
from groundwave.adapt.finetune import FineTune
from groundwave.errors import DataError
from groundwave.model import InputContract
from groundwave.nn import BACKBONES, HEADS


def blobs(num_per_class: int, num_classes: int = 3, seed: int = 0) -> dict[str, torch.Tensor]:
    stream = torch.Generator().manual_seed(seed)
    label = torch.arange(num_classes).repeat(num_per_class)
    centres = 6 * torch.eye(num_classes, 8)
    return {"features": centres[label] + torch.randn(len(label), 8, generator=stream), "label": label}


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("num_classes", [2, 3])
def test_learns_separable_classes_and_its_head_rebuilds(name: str, num_classes: int) -> None:
    learner = LEARNERS[name]().fit(blobs(10, num_classes))
    query = blobs(50, num_classes, seed=1)
    probabilities = learner.predict(query)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(len(query["label"])))
    assert (probabilities.argmax(1) == query["label"]).float().mean() > 0.9
    head = HEADS[learner.head_name](**learner.head_args())
    head.load_state_dict(learner.head.state_dict())
    torch.testing.assert_close(head(query["features"]).softmax(-1), probabilities)


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize(
    ("label", "words"),
    [
        ([0, 0, 0, 0], "two classes"),
        ([0, 2, 0, 2], "gap"),
        ([0, 1, -1, 1], "unlabelled"),
        ([0, 1], "4 records with 2 labels"),
    ],
)
def test_a_support_that_cannot_be_learned_from_is_refused(name: str, label: list[int], words: str) -> None:
    with pytest.raises(DataError, match=words):
        LEARNERS[name]().fit({"features": torch.randn(4, 8), "label": torch.tensor(label)})


def test_ridge_solves_its_normal_equations() -> None:
    support = blobs(6)
    learner = LEARNERS["ridge"](penalty=0.7, scale=1.0).fit(support)
    x = support["features"]
    x = (x - x.mean(0)) / x.std(0, correction=0)
    target = torch.nn.functional.one_hot(support["label"]).float()
    primal = torch.linalg.solve(x.T @ x + 0.7 * 8 * torch.eye(8), x.T @ (target - target.mean(0)))
    expected = x @ primal + target.mean(0)
    torch.testing.assert_close(learner.head(support["features"]).detach(), expected, atol=1e-4, rtol=1e-4)


def test_prototype_is_the_nearest_class_mean_on_the_sphere() -> None:
    support, query = blobs(5), blobs(5, seed=1)
    scores = LEARNERS["prototype"]().fit(support).predict(query)
    centre = support["features"].mean(0)
    unit = torch.nn.functional.normalize(support["features"] - centre, dim=-1)
    means = [unit[support["label"] == c].mean(0) for c in range(3)]
    for row, probability in zip(query["features"] - centre, scores, strict=True):
        cosines = torch.stack([torch.cosine_similarity(row, mean, dim=0) for mean in means])
        torch.testing.assert_close(probability, (10 * cosines).softmax(0))


def test_fine_tuning_learns_from_samples_and_is_repeatable() -> None:
    def build() -> torch.nn.Module:
        return BACKBONES["spectrum"](dim=16, depth=2)

    time = torch.arange(64)
    label = torch.arange(2).repeat(8)
    stream = torch.Generator().manual_seed(0)
    tone = torch.exp(2j * torch.pi * time * torch.where(label == 0, 0.05, 0.3)[:, None])
    iq = tone + 0.3 * torch.randn(16, 64, dtype=torch.complex64, generator=stream)
    support = {"iq": iq[:8], "label": label[:8]}
    contract = InputContract(64, 32, 128)
    first, second = (FineTune(build, contract, steps=80).fit(support).predict({"iq": iq[8:]}) for _ in range(2))
    assert (first.argmax(1) == label[8:]).all()
    torch.testing.assert_close(first, second, rtol=0, atol=0)
