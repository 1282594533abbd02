"""Networks with exits against loops written from the paper: one record at a time, two optimisers, both algorithms."""

import math
from copy import deepcopy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from groundwave.compress.exits import PUBLISHED, ExitTraining, published
from groundwave.errors import GroundwaveError, UnknownNameError
from groundwave.nn import BACKBONES
from groundwave.nn.cuts import cut
from groundwave.nn.exits import RULES, Answered, MultiExit, Policy, exit_settings, multi_exit
from groundwave.rng import generator
from tests.contracts.test_backbones import inputs

TINY = {
    "amc_cnn": {"num_samples": 64, "width": 8},
    "conv4": {"num_samples": 64, "width": 4},
    "convlstm": {"num_channels": 2, "dim": 4, "depth": 3, "slice": 8},
    "lsm": {"towers": {"a": {"kind": "xcit", "dim": 8, "depth": 1}, "b": {"kind": "moments"}, "c": {"kind": "welch"}}},
    "residual": {"dim": 8},
    "resnet18": {"width": 4},
    "vit": {"num_channels": 2, "dim": 8, "depth": 3, "num_heads": 2, "patch": (8, 4)},
    "xcit": {"dim": 8, "depth": 3, "num_heads": 2, "patch": 4},
}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def network_of(name: str, after: tuple[int, ...] = (1, 2), num_classes: int = 4) -> MultiExit:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        backbone = BACKBONES[name](**TINY[name])
        settings = exit_settings(backbone, inputs(name, 1, 2), after, num_classes)
        network = multi_exit(backbone, nn.Linear(backbone.num_features, num_classes), after, settings, "pooled")
        for head in network.exits:  # answers that differ: some sure, some not
            nn.init.normal_(head.layers[-1].weight, std=0.5)
    return network.eval().requires_grad_(False)


def one_by_one(network: MultiExit, x: Tensor, policy: Policy, strict: bool = True) -> Answered:
    """Algorithm 2, a record at a time, with the doubt written out in plain numbers."""
    answers, places = [], []
    for row in x:
        said: list[list[float]] = []
        everything = [scores[0].softmax(dim=-1) for scores in network(row[None])]
        chosen = len(everything) - 1
        for k, threshold in enumerate(policy.thresholds):
            said.append(everything[k].tolist())
            value = doubt(policy.rule, said)
            gone = policy.hopeless[k] if policy.hopeless else math.inf
            if value < threshold or value >= gone or (not strict and value == threshold):
                chosen = k
                break
        answers.append(everything[chosen])
        places.append(chosen)
    return Answered(torch.stack(answers), torch.tensor(places))


def doubt(rule: str, said: list[list[float]]) -> float:
    ordered = sorted(said[-1], reverse=True)
    if rule == "entropy":
        return -sum(p * math.log(p, len(ordered)) for p in ordered if p > 0)
    if rule == "confidence":
        return 1 - ordered[0]
    if rule == "margin":
        return 1 - (ordered[0] - ordered[1])
    answers = [row.index(max(row)) for row in said]
    streak = 0
    while streak < len(answers) and answers[-1 - streak] == answers[-1]:
        streak += 1
    return 1 / streak


@pytest.mark.parametrize("name", TINY)
def test_a_cut_backbone_computes_what_the_whole_one_does(name: str) -> None:
    backbone = BACKBONES[name](**TINY[name]).eval()
    parts, x = cut(backbone), inputs(name, 3, 2)
    state = parts.begin(x)
    for step in parts.steps:
        state = step(state)
        assert parts.seen(state).dim() == 3
    torch.testing.assert_close(parts.end(state), backbone(x))


@pytest.mark.parametrize("name", TINY)
def test_leaving_together_is_leaving_one_by_one(name: str) -> None:
    network, x = network_of(name), inputs(name, 9, 2)
    middle = RULES["entropy"]([network(x)[0].softmax(-1)]).median()
    policy = Policy((float(middle) + 1e-4, 0.9))
    found, wanted = network.answer(x, policy), one_by_one(network, x, policy)
    assert len(set(found.exit.tolist())) > 1
    torch.testing.assert_close(found.exit, wanted.exit)
    torch.testing.assert_close(found.probabilities, wanted.probabilities, atol=1e-5, rtol=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    rule=st.sampled_from(sorted(RULES)),
    thresholds=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    hopeless=st.one_of(st.just(()), st.tuples(st.floats(0.5, 1.5), st.floats(0.5, 1.5))),
    num_records=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_every_rule_leaves_where_the_loop_leaves(
    rule: str, thresholds: tuple[float, float], hopeless: tuple[float, ...], num_records: int, seed: int
) -> None:
    network = network_of("conv4")
    x = torch.randn(num_records, 2, 64, generator=generator(seed, "exits"))
    policy = Policy(thresholds, rule, hopeless)
    found, wanted = network.answer(x, policy), one_by_one(network, x, policy)
    torch.testing.assert_close(found.exit, wanted.exit)
    torch.testing.assert_close(found.probabilities, wanted.probabilities, atol=1e-5, rtol=1e-4)


@settings(max_examples=20, deadline=None)
@given(
    name=st.sampled_from(["amc_cnn", "conv4", "vit"]),
    rule=st.sampled_from(sorted(RULES)),
    num_records=st.integers(1, 5),
    level=st.floats(1e-3, 1e3),
)
def test_at_threshold_zero_it_is_the_full_model(name: str, rule: str, num_records: int, level: float) -> None:
    network, x = network_of(name), level * inputs(name, num_records, 2)
    found = network.answer(x, Policy((0.0, 0.0), rule))
    assert found.exit.tolist() == [2] * num_records
    torch.testing.assert_close(found.probabilities, network.head(network.backbone(x)).softmax(dim=-1))
    assert network.answer(x, Policy((1.0, 1.0), "confidence")).exit.tolist() == [0] * num_records


@pytest.mark.parametrize("name", [name for name in TINY if name != "lsm"])
def test_an_exit_may_stand_at_the_input(name: str) -> None:
    network, x = network_of(name, after=(0, 2)), inputs(name, 3, 2)
    for records in (x, x[:1]):
        found = network.answer(records, Policy((0.0, 0.0)))
        torch.testing.assert_close(found.probabilities, network.head(network.backbone(records)).softmax(dim=-1))
        at_once = network.answer(records, Policy((1.0, 1.0), "confidence"))
        torch.testing.assert_close(at_once.probabilities, network(records)[0].softmax(dim=-1))
        assert at_once.exit.tolist() == [0] * len(records)


def test_an_exit_that_sees_nothing_is_refused() -> None:
    with pytest.raises(GroundwaveError, match="sees nothing yet"):
        network_of("lsm", after=(0, 2))


@pytest.mark.parametrize("kind", ["conv", "flat", "pooled", "strided"])
@pytest.mark.parametrize("after", [(0,), (1, 3)])
def test_every_kind_of_exit_fits_where_it_stands(kind: str, after: tuple[int, ...]) -> None:
    backbone = BACKBONES["amc_cnn"](num_samples=60, width=8)
    settings = exit_settings(backbone, torch.zeros(1, 2, 60), after, 5, kind)
    network = multi_exit(backbone, nn.Linear(64, 5), after, settings, kind).eval()
    assert [scores.shape for scores in network(torch.randn(2, 2, 60))] == [(2, 5)] * (len(after) + 1)


def test_a_loop_that_leaves_at_the_threshold_itself_is_caught() -> None:
    network, x = network_of("conv4"), inputs("conv4", 8, 2)
    policy = Policy((0.0, 1.0), "patience")  # alone, an exit's doubt is exactly 1; two that disagree have 1 as well
    assert network.answer(x, policy).exit.tolist() == one_by_one(network, x, policy).exit.tolist()
    assert network.answer(x, policy).exit.tolist() != one_by_one(network, x, policy, strict=False).exit.tolist()


def test_an_order_lost_in_compaction_is_caught() -> None:
    network, x = network_of("conv4"), inputs("conv4", 8, 2)
    middle = float(RULES["entropy"]([network(x)[0].softmax(-1)]).median())
    policy = Policy((middle + 1e-6, 0.0))
    wanted, found = one_by_one(network, x, policy), network.answer(x, policy)
    assert len(set(found.exit.tolist())) > 1
    unordered = found.probabilities[found.exit.argsort(stable=True)]
    assert (unordered - wanted.probabilities).abs().max() > 0.01


def test_records_that_left_are_not_computed() -> None:
    network, x = network_of("conv4"), inputs("conv4", 8, 2)
    sizes: list[int] = []
    network.head.register_forward_hook(lambda _, given, __: sizes.append(len(given[0])))
    middle = float(RULES["entropy"]([network(x)[0].softmax(-1)]).median())
    sizes.clear()
    last = network.answer(x, Policy((middle + 1e-6, 0.0))).exit == 2
    assert sizes == [int(last.sum())]
    assert 0 < sizes[0] < 8
    sizes.clear()
    network.answer(x, Policy((1.0, 1.0), "confidence"))
    assert sizes == []


def literal(network: MultiExit, batches: list[tuple[Tensor, Tensor]], shared: bool = False) -> MultiExit:
    """Algorithm 1 line by line; `shared`: wrongly lets the second loss train the common layers too."""
    network = deepcopy(network).train()
    parts = cut(network.backbone)
    place = network.after[0]
    convs = network.backbone.layers
    first = [*convs[:place].parameters(), *network.exits.parameters()]
    second = [*convs[place:].parameters(), *network.head.parameters()]
    optimisers = [torch.optim.Adam(first, 1e-3), torch.optim.Adam([*second, *first] if shared else second, 1e-3)]
    for x, y in batches:
        q = parts.begin(x)
        for step in parts.steps[:place]:
            q = step(q)
        y1 = network.exits[0](parts.seen(q))
        state = q if shared else (q[0].detach(),)
        for step in parts.steps[place:]:
            state = step(state)
        y2 = network.head(parts.end(state))
        gradients = [torch.autograd.grad(F.cross_entropy(y1, y), first, retain_graph=True)]
        learned = [*second, *first] if shared else second
        gradients.append(torch.autograd.grad(F.cross_entropy(y2, y), learned, allow_unused=True))
        for parameters, found, optimiser in zip((first, learned), gradients, optimisers, strict=True):
            for parameter in [*first, *second]:
                parameter.grad = None
            for parameter, gradient in zip(parameters, found, strict=True):
                parameter.grad = gradient
            optimiser.step()
    return network


def without_dropout(network: MultiExit) -> MultiExit:
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return network


def trained(network: MultiExit, batches: list[tuple[Tensor, Tensor]], how: str) -> MultiExit:
    network = deepcopy(network)
    objective = ExitTraining(network, lambda record: record["x"], how).train()
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], 1e-3)
    for x, y in batches:
        optimiser.zero_grad()
        objective({"x": x, "label": y}, generator(0))["loss"].backward()
        optimiser.step()
    return network


def batches_of(num: int) -> list[tuple[Tensor, Tensor]]:
    draw = generator(1, "batches")
    return [(torch.randn(16, 2, 128, generator=draw), torch.arange(16) % 10) for _ in range(num)]


@pytest.mark.parametrize("version", PUBLISHED)
def test_alternating_training_is_algorithm_1(version: str) -> None:
    network, batches = without_dropout(published(version)), batches_of(2)
    found, wanted = trained(network, batches, "alternating"), literal(network, batches)
    wrong = literal(network, batches, shared=True)
    for (name, mine), twin in zip(found.named_parameters(), wanted.parameters(), strict=True):
        torch.testing.assert_close(mine, twin, msg=lambda text, name=name: f"{name}: {text}")
    common = "layers.0.0.weight"
    assert (found.backbone.get_parameter(common) - wrong.backbone.get_parameter(common)).abs().max() > 1e-4


def test_the_second_loss_sends_no_gradient_to_the_common_layers() -> None:
    network = published("V2").train()
    ((x, y),) = batches_of(1)
    apart, together = network(x, apart=True), network(x)
    common = list(network.backbone.layers[:3].parameters())
    behind = list(network.backbone.layers[3:].parameters())
    none = torch.autograd.grad(F.cross_entropy(apart[1], y), common, allow_unused=True, retain_graph=True)
    assert all(gradient is None for gradient in none)
    first = torch.autograd.grad(F.cross_entropy(apart[0], y), common)
    assert all(bool(gradient.abs().sum() >= 0) for gradient in first)
    assert all(g is not None for g in torch.autograd.grad(F.cross_entropy(apart[1], y), behind))
    some = torch.autograd.grad(F.cross_entropy(together[1], y), common)  # what a network not kept apart would do
    assert some[0].abs().sum() > 0


@pytest.mark.parametrize("how", ["exits", "taught exits"])
def test_training_exits_alone_leaves_the_rest_untouched(how: str) -> None:
    network = published("V1")
    found = trained(network, batches_of(2), how)
    for name, value in network.state_dict().items():
        changed = bool((found.state_dict()[name] != value).any())
        assert changed == name.startswith("exits"), name


def test_self_distillation_pulls_the_exit_to_the_end() -> None:
    network = published("V3").train()
    ((x, y),) = batches_of(1)
    scores = network(x)
    losses = ExitTraining(network, lambda record: record["x"], "self-distillation").way.losses(scores, y)
    own, teacher = F.cross_entropy(scores[0], y), scores[1].softmax(-1)
    wanted = 0.5 * (own - (teacher * scores[0].log_softmax(-1)).sum(-1).mean())
    torch.testing.assert_close(losses[0], wanted)
    torch.testing.assert_close(losses[1], F.cross_entropy(scores[1], y))


def count(*parts: nn.Module) -> int:
    return sum(p.numel() for part in parts for p in part.parameters())


@pytest.mark.parametrize(
    ("version", "common", "long"),
    [("V0", 576, 118_842), ("V1", 13_056, 106_362), ("V2", 25_536, 93_882), ("V3", 34_944, 84_474)],
)
def test_the_published_sizes(version: str, common: int, long: int) -> None:
    network = published(version)
    place = PUBLISHED[version]
    assert count(network.backbone.layers[:place]) == common
    assert count(network.backbone.layers[place:], network.head) == long
    assert count(network.exits) == 68_010


def test_entropy_of_ten_classes_is_the_decimal_one() -> None:
    p = torch.tensor([[0.7, 0.1, 0.1, 0.05, 0.05, 0, 0, 0, 0, 0]])
    wanted = -sum(v * math.log10(v) for v in p[0].tolist() if v)
    torch.testing.assert_close(RULES["entropy"]([p]), torch.tensor([wanted]))
    torch.testing.assert_close(RULES["entropy"]([torch.full((1, 10), 0.1)]), torch.ones(1))


@pytest.mark.parametrize("after", [(6,), (-1,), (2, 1), (1, 1), ()])
def test_exits_that_stand_nowhere_are_refused(after: tuple[int, ...]) -> None:
    backbone = BACKBONES["amc_cnn"]()
    with pytest.raises(GroundwaveError, match="from 0, the input, to 5"):
        exit_settings(backbone, torch.zeros(1, 2, 128), after, 10)


def test_other_mistakes() -> None:
    with pytest.raises(UnknownNameError, match="'V3'"):
        published("V4")
    with pytest.raises(GroundwaveError, match="another backbone"):
        cut(BACKBONES["mcldnn"]())
    with pytest.raises(GroundwaveError, match="0 \\(never exit\\) to 1"):
        Policy((1.5,))
    with pytest.raises(UnknownNameError, match="'entropy'"):
        Policy((0.5,), "entropie")
    with pytest.raises(GroundwaveError, match="2 thresholds for 1 exits"):
        published("V0").eval().answer(torch.zeros(1, 2, 128), Policy((0.1, 0.2)))
