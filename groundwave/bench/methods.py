"""Methods: ways from a few labelled records to predictions, ours and the simpler ones they must beat."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from hashlib import sha256
from inspect import signature
from typing import Any, Self

import torch
from safetensors.torch import save as save_tensors
from torch import Tensor

from groundwave.adapt import LEARNERS
from groundwave.adapt.discriminant import LDA
from groundwave.adapt.finetune import FineTune
from groundwave.adapt.linear import Logistic
from groundwave.adapt.support import check_support
from groundwave.contract import InputContract, demanded
from groundwave.contracts import Learner, Record
from groundwave.errors import lookup
from groundwave.model import Model
from groundwave.nn import BACKBONES
from groundwave.rng import generator
from groundwave.signal.cyclic import cyclic_moments
from groundwave.signal.statistics import cumulants, expert_features
from groundwave.views import Crop, Rotate


@dataclass(frozen=True)
class Method:
    """A named way to learn.

    Args:
        name: as it appears in tables.
        learner: returns a new learner for the episode of a given number.
        embed: maps complex `iq` `[B, time]` to features `[B, D]`; None when the learner reads `iq` itself.
        config: everything that tells this method from another of the same name; stored with each of its rows.
    """

    name: str
    learner: Callable[[int], Learner]
    embed: Callable[[Tensor], Tensor] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)


NUM_TREES = 200


class Forest:
    """Random forest of `NUM_TREES` trees (scikit-learn's).

    Args:
        seed: of the trees.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, support: Record) -> Self:
        """Grow the trees on `features` and `label`."""
        from sklearn.ensemble import RandomForestClassifier

        features, label, _ = check_support(support)
        self.forest = RandomForestClassifier(NUM_TREES, random_state=self.seed).fit(features.numpy(), label.numpy())
        return self

    def predict(self, query: Record) -> Tensor:
        """Return the share of trees that vote for each class, `[B, C]`."""
        return torch.as_tensor(self.forest.predict_proba(query["features"].numpy()))


class Chance:
    """Guess uniformly among the classes of the support.

    Args:
        seed: of the guesses.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, support: Record) -> Self:
        """Count the classes."""
        self.num_classes = check_support(support, "iq")[2]
        return self

    def predict(self, query: Record) -> Tensor:
        """Return random probabilities `[B, C]`."""
        stream = generator(self.seed, "chance")
        return torch.rand(len(query["iq"]), self.num_classes, generator=stream).softmax(dim=-1)


def weights_sha256(model: Model) -> str:
    """Return the hash of a model's weights, the one that `Model.save` writes into its config.json."""
    return sha256(save_tensors({k: v.contiguous().cpu() for k, v in model.modules().state_dict().items()})).hexdigest()


def settings(make: Callable[..., Any], **given: Any) -> dict[str, Any]:
    """Return the name of a learner and its settings: those given, the defaults for the rest; seeds are a row's own."""
    defaults = {n: p.default for n, p in signature(make).parameters.items() if p.default is not p.empty and n != "seed"}
    return {"learner": make.__name__, **defaults, **given}


def probe(name: str, model: Model, learner: str = "logistic", config: Mapping[str, Any] | None = None) -> Method:
    """Return the method that trains a learner of the table on a model's frozen features.

    Args:
        name: as it appears in tables.
        model: gives the features; its weights are part of the method's identity.
        learner: name in `LEARNERS`.
        config: further settings to store with each row, such as how the model was pretrained.
    """
    make = lookup(LEARNERS, learner, "learner")
    identity = {"backbone": model.spec["backbone"]["name"], "weights_sha256": weights_sha256(model)[:12]}
    return Method(name, lambda _: make(), model.embed, {**identity, **settings(make), **(config or {})})


def attributed(method: Method, attributes: Callable[[Tensor], Tensor]) -> Method:
    """Return a feature method that sees expert attributes beside what its encoder has learned (LSM, section V)."""
    encode = method.embed
    assert encode is not None

    def embed(iq: Tensor) -> Tensor:
        return torch.cat([encode(iq), attributes(iq)], dim=-1)

    return replace(method, embed=embed, config={**method.config, "attributes": attributes.__name__})


def from_scratch(model: Model, crop: int, steps: int = 50) -> Method:
    """Return the method that trains the model's own architecture, from random weights, on the same few labels."""
    spec = model.spec["backbone"]
    build = partial(BACKBONES[spec["name"]], **spec["args"])
    views = (Crop(crop), Rotate())
    contract = demanded(model.contract, InputContract, "to fine-tune")
    identity = {"backbone": spec["name"], "backbone_args": spec["args"], "contract": asdict(contract)}
    return Method(
        "from scratch",
        lambda seed: FineTune(build, contract, views, steps=steps, seed=seed),
        config={**identity, **settings(FineTune, steps=steps, views=repr(views))},
    )


def _classical(
    name: str, features: Callable[[Tensor], Tensor] | None, make: Callable[..., Learner], **given: Any
) -> Method:
    """Return a method with nothing learned beforehand; the episode's number is the seed of a learner that has one."""
    seeded = "seed" in signature(make).parameters
    config = {"features": features.__name__ if features else None, **settings(make, **given)}
    return Method(name, lambda number: make(number) if seeded else make(), features, config=config)


MOMENTS = _classical("cyclic moments + LDA", cyclic_moments, LDA)
CLASSICAL: tuple[Method, ...] = (
    _classical("cumulants + logistic", cumulants, Logistic),
    _classical("features + logistic", expert_features, Logistic),
    _classical("features + forest", expert_features, Forest, trees=NUM_TREES),
    _classical("chance", None, Chance),
)
