"""ProtoBeam against Algorithm 1 in plain loops, its episodes, its learner, and the two published networks."""

import math

import pytest
import torch
from torch import Tensor, nn

from groundwave.adapt import LEARNERS
from groundwave.model import InputContract, Model
from groundwave.nn.deepbeam_cnn import DeepBeamCNN
from groundwave.nn.densenet import DenseNet, min_max
from groundwave.pretrain.protobeam import ProtoBeam, first_of_each
from groundwave.rng import generator

WAYS, SHOTS, QUERIES = 3, 2, 2


class Flat(nn.Module):
    """A backbone that passes the samples on."""

    num_features = 6

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


def batch(num: int = 40, per_group: int = 1) -> dict[str, Tensor]:
    iq = torch.randn(num, 3, dtype=torch.complex64, generator=generator(0, "batch"))
    group = torch.arange(num) // 4 // per_group * 4 + torch.arange(num) % 4  # a frame is of one beam
    return {"iq": iq, "label": torch.arange(num) % 4, "group": group}


def unit(vector: list[float]) -> list[float]:
    length = math.sqrt(sum(x * x for x in vector))
    return [x / length for x in vector]


def slow_loss(seen: Tensor, rows: list[list[int]], prototypes_too: bool, queries_too: bool, scale: float) -> float:
    """Algorithm 1: (1 / N_B n_Q) sum of d(f(x), p_b) + log sum_b' exp(-d(f(x), p_b'))."""
    vectors = [torch.view_as_real(x).T.flatten().tolist() for x in seen]
    if queries_too:
        vectors = [unit(v) for v in vectors]
    means = [[sum(xs) / SHOTS for xs in zip(*(vectors[i] for i in c[:SHOTS]), strict=True)] for c in rows]
    prototypes = [unit(p) for p in means] if prototypes_too else means
    total = 0.0
    for b, members in enumerate(rows):
        for i in members[SHOTS:]:
            d = [scale * sum((x - y) ** 2 for x, y in zip(vectors[i], p, strict=True)) for p in prototypes]
            total += (d[b] + math.log(sum(math.exp(-x) for x in d))) / (WAYS * QUERIES)
    return total


@pytest.mark.parametrize(
    ("prototypes", "queries", "scale"), [(True, False, 1.0), (False, False, 1.0), (True, True, 5.0)]
)
def test_the_loss_is_that_of_the_published_sums(prototypes: bool, queries: bool, scale: float) -> None:
    settings = {"normalise_prototypes": prototypes, "normalise_queries": queries, "scale": scale}
    objective = ProtoBeam(Flat(), [], WAYS, SHOTS, QUERIES, **settings)  # type: ignore[arg-type]
    record = batch()
    for seed in range(3):
        rows = objective.rows(record, generator(seed)).tolist()
        loss = objective(record, generator(seed))["loss"]
        torch.testing.assert_close(loss, torch.tensor(slow_loss(record["iq"], rows, prototypes, queries, scale)))
        with pytest.raises(AssertionError):  # the lengths of prototypes mistaken
            torch.testing.assert_close(
                loss, torch.tensor(slow_loss(record["iq"], rows, not prototypes, queries, scale)), rtol=1e-3, atol=0
            )


def test_episodes_never_share_a_frame() -> None:
    record = batch(160, per_group=5)
    objective = ProtoBeam(Flat(), [], WAYS, SHOTS, QUERIES)
    rows = torch.stack([objective.rows(record, generator(seed)) for seed in range(30)])
    groups = record["group"][rows].flatten(1)
    assert all(len(episode.unique()) == WAYS * (SHOTS + QUERIES) for episode in groups)
    assert (record["label"][rows] == record["label"][rows][..., :1]).all()
    assert len(rows.unique()) > 100  # any block of a frame may stand for it
    torch.testing.assert_close(first_of_each(torch.tensor([5, 5, -1, 2, -1, 2, 5])), torch.tensor([0, 2, 3, 4]))


def test_its_learner_answers_as_training_does() -> None:
    record = batch()
    features = torch.view_as_real(record["iq"]).flatten(1)
    learner = LEARNERS["protobeam"]().fit({"features": features[:20], "label": record["label"][:20]})
    means = torch.stack([features[:20][record["label"][:20] == c].mean(0) for c in range(4)])
    distance = torch.cdist(features[20:], means / means.norm(dim=1, keepdim=True)).square()
    torch.testing.assert_close(learner.predict({"features": features[20:]}), (-distance).softmax(1))
    euclidean = LEARNERS["euclidean"]().fit({"features": features[:20], "label": record["label"][:20]})
    with pytest.raises(AssertionError):
        torch.testing.assert_close(euclidean.predict({"features": features[20:]}), (-distance).softmax(1))


@pytest.mark.parametrize("queries", [False, True])
def test_trained_it_leaves_a_model_that_answers_by_prototypes(queries: bool) -> None:
    model = Model.build("densenet", InputContract(32, 32, 32), {"growth": 2, "width": 4, "blocks": (1,), "dim": 6})
    objective = ProtoBeam(model.backbone, [], WAYS, SHOTS, QUERIES, normalise_queries=queries, scale=3.0)
    iq = torch.randn(40, 32, dtype=torch.complex64, generator=generator(0, "batch"))
    record = {**batch(), "iq": iq}
    left = objective.finished(model, record, list("abcd"))
    features = model.embed(iq).double()
    features = features / features.norm(dim=1, keepdim=True) if queries else features
    means = torch.stack([features[record["label"] == c].mean(0) for c in range(4)])
    distance = torch.cdist(features, means / means.norm(dim=1, keepdim=True)).square()
    torch.testing.assert_close(left.predict(iq).double(), (-3 * distance).softmax(1), atol=1e-5, rtol=1e-4)
    assert left.classes == tuple("abcd")
    assert objective.finished(model, record, list("abcde")).head is None  # no record of the last


def test_the_networks_are_as_large_as_published_and_blind_to_what_they_should_be() -> None:
    network = DenseNet().eval()
    assert sum(p.numel() for p in network.parameters()) == 326_944  # 326 k
    x = torch.randn(2, 2, 64, generator=generator(0))
    shifted = x * torch.tensor([[2.0], [0.5]]) + torch.tensor([[1.0], [-3.0]])
    torch.testing.assert_close(network(shifted), network(x), atol=1e-4, rtol=1e-3)
    assert (DenseNet(scaled=False).eval()(shifted) - network(x)).abs().max() > 1e-3
    torch.testing.assert_close(min_max(x).amax(-1), torch.ones(2, 2))
    torch.testing.assert_close(min_max(x).amin(-1), -torch.ones(2, 2))
    assert min_max(torch.ones(1, 1, 5)).isfinite().all()


def test_deepbeams_network_is_linear_but_for_its_pools() -> None:
    torch.manual_seed(0)
    network = DeepBeamCNN(num_samples=128, depth=2).eval()
    x = torch.randn(3, 2, 128)
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.Linear):
            assert module.bias is not None
            assert not module.bias.any()
    torch.testing.assert_close(network(3 * x), 3 * network(x), rtol=1e-3, atol=1e-4)
    assert (network(-x) + network(x)).abs().max() > 0.1  # the largest is no longer the largest
    dense = 64 * 16 * 128 + 128 + 128 * 128 + 128
    convs = (2 * 7 + 1) * 64 + 6 * (64 * 7 + 1) * 64
    assert sum(p.numel() for p in DeepBeamCNN().parameters()) == dense + convs
