"""Learners: what all of them keep, and what each of them is."""

from pathlib import Path

import numpy as np
import pytest
import torch

from groundwave.adapt import LEARNERS
from groundwave.adapt.discriminant import SHRINKAGES
from groundwave.adapt.finetune import FineTune
from groundwave.adapt.relation import Relation
from groundwave.errors import DataError, GroundwaveError, ModelError
from groundwave.model import InputContract
from groundwave.nn import BACKBONES, HEADS
from groundwave.recipes.adapt import adapt


def blobs(num_per_class: int, num_classes: int = 3, seed: int = 0, noise: float = 1.0) -> dict[str, torch.Tensor]:
    stream = torch.Generator().manual_seed(seed)
    label = torch.arange(num_classes).repeat(num_per_class)
    centres = 6 * torch.eye(num_classes, 8)
    return {"features": centres[label] + noise * torch.randn(len(label), 8, generator=stream), "label": label}


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
    by_head = head(query["features"]).softmax(-1)
    assert (by_head.argmax(1) == query["label"]).float().mean() > 0.9
    if not learner.transductive:
        torch.testing.assert_close(by_head, probabilities)


@pytest.mark.parametrize("name", LEARNERS)
def test_an_answer_depends_on_other_queries_only_where_the_learner_says_so(name: str) -> None:
    learner = LEARNERS[name]().fit(blobs(2))
    query = {"features": blobs(20, seed=1, noise=3)["features"] + 1}
    together = learner.predict(query)
    alone = torch.cat([learner.predict({"features": row[None]}) for row in query["features"]])
    again = learner.predict(query)
    torch.testing.assert_close(together, again, rtol=0, atol=0)
    assert learner.transductive == bool((together - alone).abs().max() > 1e-4)


@pytest.mark.parametrize("name", LEARNERS)
def test_one_record_per_class_is_enough(name: str) -> None:
    # Without the coordinates that hold nothing but noise, which one record per class cannot tell from the others.
    support, query = ({**r, "features": r["features"][:, :3].repeat(1, 4)} for r in (blobs(1), blobs(50, seed=1)))
    prediction = LEARNERS[name]().fit(support).predict(query).argmax(dim=1)
    assert (prediction == query["label"]).float().mean() > 0.9


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
    scores = LEARNERS["prototypes"]().fit(support).predict(query)
    centre = support["features"].mean(0)
    unit = torch.nn.functional.normalize(support["features"] - centre, dim=-1)
    means = [unit[support["label"] == c].mean(0) for c in range(3)]
    for row, probability in zip(query["features"] - centre, scores, strict=True):
        cosines = torch.stack([torch.cosine_similarity(row, mean, dim=0) for mean in means])
        torch.testing.assert_close(probability, (10 * cosines).softmax(0))


def test_euclidean_is_a_softmax_over_negative_squared_distances_to_class_means() -> None:
    support, query = blobs(5), blobs(5, seed=1)
    scores = LEARNERS["euclidean"]().fit(support).predict(query)
    means = [support["features"][support["label"] == c].mean(0) for c in range(3)]
    for row, probability in zip(query["features"], scores, strict=True):
        distances = torch.stack([((row - mean) ** 2).sum() for mean in means])
        torch.testing.assert_close(probability, (-distances).softmax(0))


@pytest.mark.parametrize(("num_per_class", "num_features"), [(2, 30), (5, 30), (40, 30)])
def test_lda_is_scikit_learns_with_the_shrinkage_of_ledoit_and_wolf(num_per_class: int, num_features: int) -> None:
    from sklearn.covariance import ledoit_wolf
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    stream = torch.Generator().manual_seed(0)
    label = torch.arange(3).repeat(num_per_class)
    mixing = torch.randn(num_features, num_features, generator=stream) / num_features**0.5
    x = torch.randn(len(label), num_features, generator=stream) @ mixing + 0.5 * label[:, None]
    learner = LEARNERS["lda"]().fit({"features": x, "label": label})
    unit = (x - x.mean(0)) / x.std(0, correction=0)
    within = unit - torch.stack([unit[label == c].mean(0) for c in range(3)])[label]
    _, shrinkage = ledoit_wolf(within.double().numpy(), assume_centered=True)
    twin = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage, priors=[1 / 3] * 3).fit(unit, label)
    # scikit-learn shrinks each class's covariance and averages them, which is the same for equally many records.
    expected = torch.as_tensor(twin.predict_log_proba(unit.numpy()), dtype=torch.float32)
    found = learner.head(x).detach().log_softmax(dim=1)
    torch.testing.assert_close(found, expected, atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("num_per_class", [4, 12])
def test_cross_validated_lda_is_scikit_learns_with_the_shrinkage_that_wins_on_folds(num_per_class: int) -> None:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    stream = torch.Generator().manual_seed(3)
    label = torch.arange(3).repeat(num_per_class)
    mixing = torch.randn(6, 6, generator=stream)
    x = torch.randn(len(label), 6, generator=stream) @ mixing + torch.randn(3, 6, generator=stream)[label]
    learner = LEARNERS["lda_cv"]().fit({"features": x, "label": label})
    unit = ((x - x.mean(0)) / x.std(0, correction=0)).numpy()

    def twin(shrinkage: float, rows: np.ndarray) -> LinearDiscriminantAnalysis:
        found = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage, priors=[1 / 3] * 3)
        return found.fit(unit[rows], label.numpy()[rows])

    fold = np.arange(len(label)) // 3 % 5  # labels take turns: three records later comes the next of the same class
    right = []
    for shrinkage in SHRINKAGES:
        held = [np.flatnonzero(fold == k) for k in range(min(5, num_per_class))]
        told = [twin(shrinkage, np.setdiff1d(np.arange(len(label)), rows)).predict(unit[rows]) for rows in held]
        right.append(sum(int((t == label.numpy()[rows]).sum()) for t, rows in zip(told, held, strict=True)))
    assert len(set(right)) > 1
    best = SHRINKAGES[int(np.argmax(right))]

    def scores(shrinkage: float) -> torch.Tensor:
        told = twin(shrinkage, np.arange(len(label))).predict_log_proba(unit)
        return torch.as_tensor(told, dtype=torch.float32)

    found = learner.head(x).detach().log_softmax(dim=1)
    torch.testing.assert_close(found, scores(best), atol=1e-2, rtol=1e-2)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(found, scores(0.1 if best != 0.1 else 0.3), atol=1e-2, rtol=1e-2)


def test_cross_validated_lda_of_equal_records_answers_something_finite() -> None:
    support = {"features": torch.ones(6, 4), "label": torch.tensor([0, 0, 0, 1, 1, 1])}
    assert LEARNERS["lda_cv"]().fit(support).predict(support).isfinite().all()


def test_lda_of_one_record_per_class_is_the_nearest_mean_of_standardised_features() -> None:
    support, query = blobs(1), blobs(20, seed=1)["features"]
    x = support["features"]
    mean, scale = x.mean(0), x.std(0, correction=0)
    distances = torch.cdist((query - mean) / scale, (x - mean) / scale).square()
    found = LEARNERS["lda"]().fit(support).predict({"features": query})
    torch.testing.assert_close(found, (-distances / 2).softmax(1), atol=1e-4, rtol=1e-4)


def slow_soft_kmeans(support: dict[str, torch.Tensor], queries: torch.Tensor, rounds: int) -> torch.Tensor:
    """Ren et al. (2018), section 3.1.1, on the sphere, one query at a time."""
    centre = support["features"].mean(0)

    def unit(x: torch.Tensor) -> torch.Tensor:
        return (x - centre) / (x - centre).norm()

    shown = [[unit(x) for x, c in zip(support["features"], support["label"], strict=True) if c == k] for k in range(3)]
    prototypes = [sum(xs) / len(xs) for xs in shown]
    for turn in range(rounds + 1):
        shares = []
        for query in queries:
            scores = torch.stack([10 * torch.cosine_similarity(query - centre, p, dim=0) for p in prototypes])
            shares.append(scores.exp() / scores.exp().sum())
        if turn < rounds:
            for k in range(3):
                lent = sum(share[k] * unit(query) for share, query in zip(shares, queries, strict=True))
                prototypes[k] = (sum(shown[k]) + lent) / (len(shown[k]) + sum(share[k] for share in shares))
    return torch.stack(shares)


@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_soft_kmeans_matches_its_slow_twin(rounds: int) -> None:
    support, queries = blobs(2, noise=3), blobs(6, seed=1, noise=3)["features"]
    found = LEARNERS["soft_kmeans"](rounds=rounds).fit(support).predict({"features": queries})
    torch.testing.assert_close(found, slow_soft_kmeans(support, queries, rounds))
    with pytest.raises(AssertionError):
        torch.testing.assert_close(found, slow_soft_kmeans(support, queries, rounds + 1))


def slow_propagation(support: dict[str, torch.Tensor], queries: torch.Tensor, alpha: float, rounds: int) -> np.ndarray:
    """Zhou et al. (2004), the iteration of its section 2, on the graph of its 5 nearest neighbours."""
    x = np.concatenate([support["features"].numpy(), queries.numpy()]).astype(float)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    x = [row / np.linalg.norm(row) for row in x]
    n, label = len(x), support["label"].tolist()
    far = [[float(((x[i] - x[j]) ** 2).sum()) if i != j else np.inf for j in range(n)] for i in range(n)]
    near = [sorted(range(n), key=row.__getitem__)[:5] for row in far]
    scale = [far[i][near[i][-1]] ** 0.5 for i in range(n)]
    w = np.zeros((n, n))
    for i in range(n):
        for j in near[i]:
            w[i, j] = w[j, i] = np.exp(-far[i][j] / (scale[i] * scale[j]))
    s = [[w[i, j] / np.sqrt(w[i].sum() * w[j].sum()) for j in range(n)] for i in range(n)]
    y = np.array([[(i < len(label) and label[i] == c) / label.count(c) for c in range(3)] for i in range(n)])
    f = y
    for _ in range(rounds):
        f = alpha * np.array(s) @ f + (1 - alpha) * y
    return f[len(label) :] / f[len(label) :].sum(axis=1, keepdims=True)


def test_label_propagation_matches_its_slow_twin() -> None:
    support, queries = blobs(2, noise=3), blobs(8, seed=1, noise=3)["features"]
    learner = LEARNERS["label_propagation"](num_neighbours=5, alpha=0.8).fit(support)
    found = learner.predict({"features": queries}).numpy()
    np.testing.assert_allclose(found, slow_propagation(support, queries, 0.8, 200), atol=1e-4)
    with pytest.raises(AssertionError):  # before it has spread all the way: a mistake that the twin must catch
        np.testing.assert_allclose(found, slow_propagation(support, queries, 0.8, 2), atol=1e-4)


def test_a_query_that_no_label_reaches_is_left_to_the_prototypes() -> None:
    support = blobs(2)
    apart = -5 * torch.ones(6, 8) + 0.01 * torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
    query = {"features": apart}
    found = LEARNERS["label_propagation"](num_neighbours=2).fit(support).predict(query)
    torch.testing.assert_close(found, LEARNERS["prototypes"]().fit(support).predict(query), atol=1e-4, rtol=1e-4)


def gain(name: str, features: torch.Tensor, label: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Return by how much a learner beats `Prototype` where the first record of each class is the support."""
    support = {"features": features[:num_classes], "label": label[:num_classes]}
    query = {"features": features[num_classes:]}
    predictions = (LEARNERS[learner]().fit(support).predict(query).argmax(1) for learner in (name, "prototypes"))
    ours, alone = ((prediction == label[num_classes:]).float().mean() for prediction in predictions)
    return ours - alone


def test_soft_kmeans_gains_from_clouds_of_queries() -> None:
    stream = torch.Generator().manual_seed(0)
    label = torch.arange(3).repeat(101)
    clouds = (3 * torch.eye(3, 8)[label] + torch.randn(len(label), 8, generator=stream) for _ in range(20))
    assert torch.stack([gain("soft_kmeans", x, label, 3) for x in clouds]).mean() > 0.02


def test_label_propagation_follows_queries_along_a_ring() -> None:
    label = torch.arange(2).repeat(101)
    angle = torch.linspace(0, 2 * torch.pi, 101).repeat_interleave(2) + torch.pi * label
    rings = torch.stack([angle.cos(), angle.sin(), label - 0.5], dim=1)  # the supports are on opposite sides
    assert gain("label_propagation", rings, label, 2) > 0.3


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


def test_a_transductive_learner_is_refused_where_one_head_must_answer(tmp_path: Path) -> None:
    with pytest.raises(GroundwaveError, match="choose another, such as prototype"):
        adapt("iq-small", data=tmp_path, shots=5, out=tmp_path / "out", learner="soft_kmeans")


def test_relation_wants_the_head_that_relationnet_has_trained() -> None:
    with pytest.raises(ModelError, match=r"without a head.*objective relationnet"):
        Relation(None)
    with pytest.raises(ModelError, match="a LinearHead"):
        Relation(HEADS["linear"](4, 2))


def halves(num_per_class: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Return two long clouds side by side, which a label at one end of each does not tell apart."""
    stream = torch.Generator().manual_seed(seed)
    label = torch.arange(2).repeat(num_per_class)
    along = 20 * torch.rand(len(label), generator=stream)
    across = 4 * label + torch.randn(len(label), generator=stream)
    return {"features": torch.stack([along, across], dim=1), "label": label}


@pytest.mark.parametrize("name", ["curriculum", "query_curriculum"])
def test_curriculum_labelling_learns_from_what_has_no_label(name: str) -> None:
    places = torch.tensor([[0.0, 1.0], [8.0, -1.0], [12.0, 3.0], [20.0, 5.0]])
    ends = {"features": places, "label": torch.tensor([0, 0, 1, 1])}
    unlabelled, query = halves(200)["features"], halves(200, seed=1)
    support = ends if name == "query_curriculum" else {**ends, "unlabelled": unlabelled}
    before, after = (
        (learner.predict(query).argmax(dim=1) == query["label"]).double().mean()
        for learner in (LEARNERS["lda"]().fit(ends), LEARNERS[name]().fit(support))
    )
    assert before < 0.9
    assert after > 0.95


def test_curriculum_labelling_without_unlabelled_records_is_lda() -> None:
    query = blobs(5, seed=1)
    one, other = (LEARNERS[name]().fit(blobs(4)).predict(query) for name in ("curriculum", "lda"))
    torch.testing.assert_close(one, other, rtol=0, atol=0)
