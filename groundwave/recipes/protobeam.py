"""Beams on antennas that are new, with a few labels: prototypes as we would have them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from groundwave.adapt.alignment import aligned
from groundwave.adapt.discriminant import LDA
from groundwave.bench.contest import Contender, Way
from groundwave.bench.encoders import Pretraining
from groundwave.bench.methods import CLASSICAL, Method, settings
from groundwave.contract import InputContract
from groundwave.contracts import View
from groundwave.model import Model
from groundwave.nn.complex import to_channels
from groundwave.nn.welch import welch_spectrum
from groundwave.recipes.beam_exhibits import exhibit
from groundwave.recipes.beam_sets import PAIRS, SHOTS, Field, frozen
from groundwave.train import Schedule
from groundwave.views import AddNoise, Normalise, OtherFrontEnd, Rotate

TITLE = "ours"
OURS = f"{TITLE}, + transductive"  # what is compared with others: all that this recipe adds
PLAIN = f"{TITLE}, without front-end augmentation"
UNLABELLED = "self-supervised on two other antennas"
MOST_SPREADINGS = 20  # episodes; each solves for all queries together
VIEWS: tuple[View, ...] = (OtherFrontEnd(), Rotate(), Normalise())


def protobeam(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/beams"),
    data: str = "beams",
    pairs: Sequence[int] = PAIRS,
    shots: Sequence[int] = SHOTS,
    epochs: int = 40,
    smoke: bool = False,
) -> Path:
    """Tell beams with 2 labels per beam or more on the antenna learned and on another, by cosine prototypes.

    The encoder sees a record's averaged spectrum at unit power and is trained by ProtoBeam's episodes with unit lengths
    on both sides, each episode through another front-end. On an antenna that is asked, features are counted from the
    mean and in the spread of its unlabelled records, and labels spread over its queries. Beside it: the same without
    the augmentation, an encoder that has seen unlabelled records of two further antennas and no label, and the spectrum
    by itself.

    Args:
        results: folder of the file of rows.
        runs: folder of pretraining runs and pictures.
        data: `beams`, the simulator, or a store of several front-ends (`groundwave ingest --format deepbeam`).
        pairs: which pairs of antennas; each is a seed.
        shots: labels per beam.
        epochs: of each training, 9 steps each.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    field = Field(name="protobeam", data=data, results=results, runs=runs, pairs=pairs, shots=shots, smoke=smoke)
    beams = field.opened()
    contract = field.contract(beams)
    ours = Contender(episodic(VIEWS, contract, epochs, smoke), ways(TITLE))
    plain = episodic(VIEWS[1:], contract, epochs, smoke)
    plain_ways = (frozen(PLAIN, "prototypes"),)
    field.contest([ours, Contender(plain, plain_ways), Contender(None, classical())], beams)
    unlabelled = (frozen(UNLABELLED, "lda"),)
    field.contest([Contender(contrastive(contract, epochs, smoke), unlabelled)], beams, learned="others")
    exhibit(field, beams, ours)
    return field.path


def episodic(views: tuple[View, ...], contract: InputContract, epochs: int, smoke: bool) -> Pretraining:
    """Return how the encoder learns from labels of one antenna."""
    episode = {"num_ways": 3, "num_shots": 2, "num_queries": 2}
    if not smoke:
        episode = {"num_ways": 20, "num_shots": 2, "num_queries": 4}
    unit = {"normalise_prototypes": True, "normalise_queries": True, "scale": 10.0}
    return Pretraining(
        backbone="welch",
        objective="protobeam",
        views=views,
        schedule=Schedule(epochs=1 if smoke else epochs, lr=3e-3, precision="32-true"),
        batch_size=64 if smoke else 720,
        contract=contract,
        objective_args={**episode, **unit},
        labelled=True,
    )


def contrastive(contract: InputContract, epochs: int, smoke: bool) -> Pretraining:
    """Return how an encoder learns from records of several antennas without any label."""
    return Pretraining(
        backbone="welch",
        objective="simclr",
        views=(AddNoise((5.0, 25.0)), Rotate(), Normalise()),
        schedule=Schedule(epochs=1 if smoke else epochs, lr=2e-3, precision="32-true"),
        batch_size=32 if smoke else 360,
        contract=contract,
    )


def ways(title: str) -> tuple[Way, ...]:
    """Return how our encoder answers: one step after the other, the last one with all."""
    told = {"aligned": True}
    return (
        frozen(f"{title}, cosine prototypes", "prototypes"),
        frozen(f"{title}, + test-time normalisation", "prototypes", look=counted_anew, config=told),
        frozen(OURS, "label_propagation", look=counted_anew, config=told, most_episodes=MOST_SPREADINGS),
        frozen(f"{title}, LDA", "lda"),
        frozen(f"{title}, LDA + spectrum", "lda", look=with_spectrum, config={"attributes": "welch_spectrum"}),
    )


def counted_anew(model: Model) -> Callable[[Tensor], Tensor]:
    """Return features counted from the mean and in the spread of all records that they are asked for together."""
    return lambda iq: aligned(model.embed(iq), torch.zeros(len(iq), dtype=torch.int64))


def with_spectrum(model: Model) -> Callable[[Tensor], Tensor]:
    """Return features beside the attributes of an expert: the averaged spectrum."""
    return lambda iq: torch.cat([model.embed(iq), spectrum(iq)], dim=-1)


def spectrum(iq: Tensor) -> Tensor:
    """Return the averaged log spectrum `[B, bins]`: the beam's frequency response, by Welch's estimate."""
    return torch.cat([welch_spectrum(to_channels(some)).flatten(1) for some in iq.split(1024)])


def classical() -> tuple[Way, ...]:
    """Return what learns from nothing but the few labels: the spectrum, and chance."""
    config: dict[str, Any] = {"features": "welch_spectrum", **settings(LDA)}
    chance = next(method for method in CLASSICAL if method.name == "chance")
    name = "averaged spectrum + LDA"
    return (
        Way(name, config, lambda _: Method(name, lambda _: LDA(), spectrum)),
        Way("chance", chance.config, lambda _: chance),
    )
