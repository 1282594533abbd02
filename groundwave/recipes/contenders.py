"""Who takes part in the panels of LSM: ours, LSM as published, and every baseline with its source's settings."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from torch import nn

from groundwave.adapt import LEARNERS
from groundwave.adapt.finetune import FineTune
from groundwave.adapt.relation import Relation
from groundwave.bench.contest import Contender, Way
from groundwave.bench.encoders import Pretraining
from groundwave.bench.methods import CLASSICAL, MOMENTS, Method, settings
from groundwave.bench.patches import AS_RELEASED, HONEST, Leaks, PatchVote, patch_features
from groundwave.contract import InputContract, demanded
from groundwave.contracts import View
from groundwave.errors import lookup
from groundwave.model import Model
from groundwave.nn.xcit import XCIT_TINY_12
from groundwave.recipes.modulation import TERMS
from groundwave.train import Schedule
from groundwave.views import AddNoise, Crop, FrequencyShift, Normalise, Rotate

NUM_SAMPLES = 128
WHOLE = InputContract(num_samples=NUM_SAMPLES, min_samples=NUM_SAMPLES, max_samples=NUM_SAMPLES)

# Ours: a long crop, phase, a little carrier offset and noise change nothing about a modulation.
OUR_CROP = 96
OUR_VIEWS: tuple[View, ...] = (Crop(OUR_CROP), FrequencyShift(0.002), Rotate(), AddNoise((0.0, 30.0)), Normalise())


def our_backbone(dim: int = 128, hidden: int = 512) -> dict[str, Any]:
    """Return the arguments of our two towers, and of the moments that stand beside them as they are."""
    return {
        "towers": {
            "time": {"kind": "residual", "dim": dim},
            "cyclic": {"kind": "cyclic", "dim": 2 * dim, "hidden": hidden},
            "moments": {"kind": "moments"},
        }
    }


OURS = Pretraining(
    backbone="lsm",
    objective="lsm",
    views=OUR_VIEWS,
    schedule=Schedule(epochs=2, lr=2e-3, weight_decay=0.05),
    batch_size=512,
    contract=InputContract(num_samples=NUM_SAMPLES, min_samples=OUR_CROP // 2, max_samples=2 * NUM_SAMPLES),
    backbone_args=our_backbone(),
    objective_args={"terms": TERMS, "temperature": 0.5, "projection": 128, "answer": "modulation"},
)


def with_ours(objective: str, views: tuple[View, ...] = OUR_VIEWS) -> Pretraining:
    """Return another objective on our encoder, for all SNRs and as long as ours."""
    return replace(OURS, objective=objective, views=views, objective_args={"answer": "modulation"})


# As published: twelve samples, one phase, no scaling, a model for each SNR, a constant rate.
PATCH = 12
PUBLISHED_VIEWS: tuple[View, ...] = (Crop(PATCH), Rotate())
PUBLISHED_SCHEDULE = Schedule(epochs=300, lr=1e-3, weight_decay=0.01, warmup=0.0, clip=1e9, decay="none")


def published(xcit: Mapping[str, Any]) -> Pretraining:
    """Return LSM as published around this time encoder, whose features the frequency encoder must match in number."""
    frequency = {"kind": "fft", "num_samples": PATCH, "dim": xcit["dim"] * (1 + PATCH // xcit["patch"])}
    return Pretraining(
        backbone="lsm",
        objective="lsm",
        views=PUBLISHED_VIEWS,
        schedule=PUBLISHED_SCHEDULE,
        batch_size=1400,
        contract=InputContract(num_samples=PATCH, min_samples=PATCH, max_samples=PATCH),
        backbone_args={"towers": {"time": {"kind": "xcit", **xcit}, "frequency": frequency}},
        objective_args={"terms": (("time", "frequency"),), "temperature": 0.5, "projection": 0, "answer": "modulation"},
        per_snr=True,
    )


def in_lsm(objective: str, xcit: Mapping[str, Any]) -> Pretraining:
    """Return another contrastive objective under LSM's framework: its crop, rotation, schedule and time encoder.

    Records are scaled as a model's door scales them; features are means over patches.
    """
    return replace(
        published(xcit),
        backbone="xcit",
        objective=objective,
        views=(Normalise(), *PUBLISHED_VIEWS),
        backbone_args=xcit,
        objective_args={"answer": "modulation"},
    )


# SCLBSS brings its own encoder and turns; SemiAMC scales a record by its largest sample, we by its power.
SEMIAMC = Pretraining(
    backbone="semiamc",
    objective="sclbss",
    views=(Normalise(),),
    schedule=replace(PUBLISHED_SCHEDULE, epochs=100),
    batch_size=512,
    contract=WHOLE,
    objective_args={"answer": "modulation"},
    per_snr=True,
)
# Networks that learn from the labels of the base classes, one for each SNR, as in the source.
TOLD = Pretraining(
    backbone="vtcnn2",
    objective="supervised",
    views=(Normalise(),),
    schedule=Schedule(epochs=60, lr=1e-3, weight_decay=0.0, warmup=0.0, clip=1e9, decay="none"),
    batch_size=1024,
    contract=WHOLE,
    labelled=True,
    per_snr=True,
)
EPISODIC = replace(
    TOLD,
    backbone="conv4",
    objective="protonet",
    objective_args={"num_ways": 5, "num_shots": 5, "num_queries": 10},
    schedule=replace(TOLD.schedule, epochs=200, clip=0.5),
    batch_size=256,
)
# RelationNet's trunk pools after its first two blocks only, and its running statistics are those of the last batch.
RELATION_TRUNK: Mapping[str, Any] = {"pooled": (True, True, False, False), "momentum": 1.0}


def frozen(
    name: str, learner: str = "lda", most_episodes: int | None = None, unlabelled: bool = False, white: bool = False
) -> Way:
    """Return the way that trains a learner of the table on frozen features, as they are or whitened by views."""
    make = lookup(LEARNERS, learner, "learner")

    def method(model: Model | None) -> Method:
        assert model is not None
        return Method(name, lambda _: make(), model.embed)

    config = settings(make, **({"white": True} if white else {}))
    return Way(name, config, method, most_episodes, unlabelled, white)


def both(name: str, white: bool = False) -> tuple[Way, Way]:
    """Return the ways of frozen features: labels alone, and with what has none (where its classes are those asked)."""
    alone, more = ("white_lda", "white_curriculum") if white else ("lda", "curriculum")
    return frozen(name, alone, white=white), frozen(f"{name} + unlabelled", more, unlabelled=True, white=white)


def patch_vote(name: str, leaks: Leaks, steps: int, most_episodes: int) -> Way:
    """Return LSM's own head and vote, with or without the faults of the released code.

    There the support is drawn once, and a lucky draw stays lucky: `most_episodes` is 1.
    """

    def method(model: Model | None) -> Method:
        assert model is not None
        backbone = model.backbone
        return Method(
            name,
            lambda e: PatchVote(backbone, PUBLISHED_VIEWS, PATCH, steps=steps, seed=e, leaks=leaks),
            None if leaks.drift else partial(patch_features, backbone.eval(), patch=PATCH),
        )

    told = {"patch": PATCH, "views": repr(PUBLISHED_VIEWS), "steps": steps, "leaks": asdict(leaks)}
    return Way(name, settings(PatchVote, **told), method, most_episodes)


def fine_tuned(name: str, steps: int, most_episodes: int | None = None) -> Way:
    """Return the way that trains the whole pretrained network further on the few labels."""

    def method(model: Model | None) -> Method:
        assert model is not None
        start = partial(fresh, model.backbone)
        contract = demanded(model.contract, InputContract, "to fine-tune")
        return Method(name, lambda e: FineTune(start, contract, (Rotate(),), steps, seed=e))

    return Way(name, settings(FineTune, steps=steps, views=repr((Rotate(),))), method, most_episodes)


def fresh(backbone: nn.Module) -> nn.Module:
    """Return a copy to train further, where few-shot learners compute."""
    return deepcopy(backbone).cpu()


def related(name: str) -> Way:
    """Return RelationNet's own predictor: its relation module, given new classes."""

    def method(model: Model | None) -> Method:
        assert model is not None
        return Method(name, lambda _: Relation(model.head), model.embed)

    return Way(name, {"learner": "Relation"}, method)


def unlearned(*methods: Method) -> Contender:
    """Return classical methods as a contender that pretrains nothing."""
    return Contender(None, tuple(Way(one.name, one.config, partial(_same, one)) for one in methods))


def _same(method: Method, _: Model | None) -> Method:
    return method


@dataclass(frozen=True)
class Size:
    """How large the contenders are: as they should be, or as small as a smoke test wants them.

    Args:
        xcit: the published time encoder.
        ours: arguments of our backbone.
        resnet_width: of ResNet18's first stage.
        head_steps: of LSM's own head; about 2000 as published.
        tuning_steps: of fine-tuning a whole network on a few labels.
        slow_episodes: at most so many for what trains a whole network in each.
        voting_episodes: at most so many for LSM's own head, which takes a minute and a half of a core in each.
        leaking_episodes: at most so many for each published leak by itself.
        query_episodes: at most so many for what learns from thousands of queries in each.
    """

    xcit: Mapping[str, Any] = field(default_factory=lambda: XCIT_TINY_12)
    ours: Mapping[str, Any] = field(default_factory=our_backbone)
    resnet_width: int = 64
    head_steps: int = 2000
    tuning_steps: int = 100
    slow_episodes: int = 20
    voting_episodes: int = 10
    leaking_episodes: int = 5
    query_episodes: int = 10


HEADS = ("lda", "prototypes", "euclidean", "logistic", "ridge", "soft_kmeans")  # for ours, as they are

TINY = Size({**XCIT_TINY_12, "dim": 16, "depth": 1}, our_backbone(16, 16), 8, 2, 1, 1, 1, 1, 1)


def contenders(size: Size) -> dict[str, Contender]:
    """Return all contenders by name."""
    title, steps = "LSM as published", size.head_steps
    some, few = size.voting_episodes, size.leaking_episodes
    voting = (patch_vote(title, HONEST, steps, some), patch_vote(f"{title}, with its leaks", AS_RELEASED, steps, 1))
    one_leak = (
        patch_vote(f"{title}, best epoch on test", Leaks(best_on_test=True), steps, few),
        patch_vote(f"{title}, one support set", HONEST, steps, 1),
        patch_vote(f"{title}, LeakyReLU on the logits", Leaks(bent_logits=True), steps, few),
        patch_vote(f"{title}, batch norm drifts", Leaks(drift=True), steps, few),
    )

    def told(title: str, backbone: str, **args: Any) -> Contender:
        tuned = fine_tuned(f"{title}, fine-tuned", size.tuning_steps, size.slow_episodes)
        return Contender(replace(TOLD, backbone=backbone, backbone_args=args), (frozen(f"{title}, frozen"), tuned))

    ours = replace(OURS, backbone_args=size.ours)

    def on_ours(title: str, objective: str, *views: View) -> Contender:
        how = with_ours(objective, views or OUR_VIEWS)
        return Contender(replace(how, backbone_args=size.ours), both(f"{title}, our encoder"))

    queries = frozen("LSM, ours + queries", "white_query_curriculum", size.query_episodes, white=True)
    heads = tuple(frozen(f"LSM, ours, {head.replace('_', ' ')}", head) for head in HEADS)
    moments = replace(  # nothing in it learns
        ours,
        backbone_args={"towers": {"moments": {"kind": "moments"}}},
        objective_args={**ours.objective_args, "terms": (("moments", "moments"),)},
    )
    relation = replace(EPISODIC, objective="relationnet", backbone_args=RELATION_TRUNK)
    return {
        "lsm": Contender(ours, both("LSM, ours", white=True)),
        "lsm-queries": Contender(ours, (queries,)),
        "lsm-heads": Contender(ours, heads),
        "lsm-published": Contender(published(size.xcit), voting),
        "lsm-published-leaks": Contender(published(size.xcit), one_leak),
        "simclr": Contender(in_lsm("simclr", size.xcit), both("SimCLR")),
        "simclr-ours": on_ours("SimCLR", "simclr"),
        "simsiam": Contender(in_lsm("simsiam", size.xcit), both("SimSiam")),
        "simsiam-ours": on_ours("SimSiam", "simsiam"),
        "moco": Contender(in_lsm("moco", size.xcit), both("MoCo")),
        "moco-ours": on_ours("MoCo", "moco"),
        "sclbss": Contender(SEMIAMC, both("SCLBSS")),
        "sclbss-ours": on_ours("SCLBSS", "sclbss", Normalise()),
        "protonet": Contender(EPISODIC, (frozen("ProtoNet", "euclidean"),)),
        "relationnet": Contender(relation, (related("RelationNet"),)),
        "cnn2": told("CNN2", "vtcnn2"),
        "cnn-lstm": told("CNN-LSTM", "cldnn"),
        "resnet18": told("ResNet18", "resnet18", width=size.resnet_width),
        "mcldnn": told("MCLDNN", "mcldnn"),
        "moments": unlearned(MOMENTS),
        "moments-white": Contender(moments, both("cyclic moments, whitened", white=True)),
        "cumulants": unlearned(CLASSICAL[0]),
        "chance": unlearned(CLASSICAL[3]),
    }


def chosen(names: Sequence[str], table: Mapping[str, Contender]) -> list[Contender]:
    """Return the contenders of these names; raises `UnknownNameError`."""
    return [lookup(table, name, "method") for name in names]
