"""RelationNet against its paper in NumPy loops, and what a trained one answers to new classes."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from groundwave.adapt.relation import Relation
from groundwave.data.sources import Records
from groundwave.deploy.export import export
from groundwave.errors import GroundwaveError
from groundwave.model import InputContract, Model
from groundwave.nn.relation import RelationHead
from groundwave.nn.token_map import token_map
from groundwave.pretrain.episode import draw_episode
from groundwave.pretrain.relationnet import RelationNet
from groundwave.pretrain.run import pretrain
from groundwave.rng import generator
from groundwave.train import Schedule
from groundwave.views import Normalise

Array = npt.NDArray[np.float64]
NUM_WAYS, NUM_SHOTS, NUM_QUERIES, NUM_TOKENS = 3, 2, 2, 8


class Samples(nn.Module):
    """A backbone whose tokens are the samples."""

    num_features = 2

    def tokens(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


def block(x: Array, state: dict[str, Array], conv: int) -> Array:
    """Convolve `[B, narrow, T]` with zeros around, normalise over the batch, bend, and pool by two."""
    weight, bias = state[f"{conv}.weight"], state[f"{conv}.bias"]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1)))
    out = np.zeros((len(x), len(weight), x.shape[2]))
    for t in range(x.shape[2]):
        out[:, :, t] = np.einsum("bit,oit->bo", padded[:, :, t : t + 3], weight) + bias
    mean, var = out.mean(axis=(0, 2), keepdims=True), out.var(axis=(0, 2), keepdims=True)
    gain, shift = (state[f"{conv + 1}.{name}"][None, :, None] for name in ("weight", "bias"))
    out = np.maximum((out - mean) / np.sqrt(var + 1e-5) * gain + shift, 0)
    return np.maximum(out[:, :, 0::2], out[:, :, 1::2])


def slow_loss(head: RelationHead, iq: Tensor, rows: list[list[int]], *, mean: bool = False) -> float:
    """Sung et al. (2018), equations 1 and 2, one pair at a time up to the batch norms."""
    state = {name: value.detach().double().numpy() for name, value in head.compare.state_dict().items()}
    maps = [torch.view_as_real(x).double().numpy().T for x in iq]  # [2, T]
    classes = [sum(maps[i] for i in members[:NUM_SHOTS]) / (NUM_SHOTS if mean else 1) for members in rows]
    pairs, targets = [], []
    for own, members in enumerate(rows):
        for i in members[NUM_SHOTS:]:
            for c, class_map in enumerate(classes):
                pairs.append(np.concatenate([class_map, maps[i]]))
                targets.append(float(c == own))
    x = block(block(np.stack(pairs), state, 0), state, 4).reshape(len(pairs), -1)
    x = np.maximum(x @ state["9.weight"].T + state["9.bias"], 0)
    relation = 1 / (1 + np.exp(-(x @ state["11.weight"].T + state["11.bias"])[:, 0]))
    return float(np.mean([(r - t) ** 2 for r, t in zip(relation, targets, strict=True)]))


def test_the_loss_matches_the_slow_twin() -> None:
    torch.manual_seed(0)
    settings = {"num_ways": NUM_WAYS, "num_shots": NUM_SHOTS, "num_queries": NUM_QUERIES, "num_tokens": NUM_TOKENS}
    objective = RelationNet(Samples(), views=[], **settings)
    iq = torch.randn(20, NUM_TOKENS, dtype=torch.complex64)
    label = torch.arange(20) % 4
    rows = draw_episode(label, NUM_WAYS, NUM_SHOTS, NUM_QUERIES, generator=generator(0)).tolist()
    found = objective({"iq": iq, "label": label}, generator(0))["loss"].detach()
    torch.testing.assert_close(found, torch.tensor(slow_loss(objective.head, iq, rows)), atol=1e-5, rtol=1e-4)
    wrong = slow_loss(objective.head, iq, rows, mean=True)
    with pytest.raises(AssertionError):  # supports averaged instead of summed: a mistake that the oracle must catch
        torch.testing.assert_close(found, torch.tensor(wrong), atol=1e-5, rtol=1e-4)


def test_tokens_are_averaged_to_so_many() -> None:
    tokens = torch.arange(12.0).reshape(1, 6, 2)
    torch.testing.assert_close(token_map(tokens, 6), tokens)
    torch.testing.assert_close(token_map(tokens, 3), tokens.unflatten(1, (3, 2)).mean(dim=2))


def test_maps_that_cannot_be_halved_twice_are_refused() -> None:
    with pytest.raises(GroundwaveError, match="raise num_tokens"):
        RelationHead(dim=4, num_tokens=3, num_classes=2)


def tones(frequencies: list[float], num_per_class: int, seed: int) -> dict[str, Tensor]:
    stream = generator(seed, "tones")
    label = torch.arange(len(frequencies)).repeat(num_per_class)
    cycles = torch.tensor(frequencies)[label] + 0.01 * torch.randn(len(label), generator=stream)
    noise = torch.randn(len(label), 64, dtype=torch.complex64, generator=stream)
    return {"iq": torch.exp(2j * torch.pi * cycles[:, None] * torch.arange(64)) + 0.3 * noise, "label": label}


def test_a_trained_comparison_is_saved_and_tells_classes_that_it_has_never_seen(tmp_path: Path) -> None:
    train = tones([-0.4, -0.3, -0.1, 0.1, 0.25, 0.45], 30, seed=0)
    pretrain(
        Records(train, classes=tuple("abcdef")),
        out=tmp_path / "run",
        contract=InputContract(64, 32, 128),
        views=(Normalise(),),
        schedule=Schedule(epochs=40, lr=3e-3, precision="32-true"),
        backbone="conv4",
        backbone_args={"num_samples": 64, "width": 16},
        objective="relationnet",
        objective_args={"num_tokens": 4, "num_ways": 4, "num_shots": 3, "num_queries": 8},
        batch_size=120,
        progress=False,
    )
    model = Model.load(tmp_path / "run" / "model")
    own = model.predict(train["iq"])
    assert model.classes == tuple("abcdef")
    assert (own.argmax(dim=1) == train["label"]).float().mean() > 0.8
    support, query = (tones([-0.2, 0.0, 0.18, 0.35], n, seed=n) for n in (3, 20))
    learner = Relation(model.head)
    learner.fit({"features": model.embed(support["iq"]), "label": support["label"]})
    answers = learner.predict({"features": model.embed(query["iq"])})
    torch.testing.assert_close(answers.sum(dim=1), torch.ones(len(answers)))
    assert (answers.argmax(dim=1) == query["label"]).float().mean() > 0.7
    adapted = model.with_head(learner.head_name, learner.head, learner.head_args(), ("w", "x", "y", "z"))
    adapted.save(tmp_path / "adapted")
    torch.testing.assert_close(Model.load(tmp_path / "adapted").predict(query["iq"]), answers)
    export(adapted, tmp_path / "adapted.onnx")  # compares with PyTorch, for batches of several sizes
    assert len(model.head.class_maps) == 6, "the trained head is not changed by what is learned from it"
