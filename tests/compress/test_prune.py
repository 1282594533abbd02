"""Pruned networks compute what silenced ones do, keep what matters, and come back from disk."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from groundwave.compress.cost import cost
from groundwave.compress.distil import Scored
from groundwave.compress.groups import Group, groups, keep, magnitude, mask
from groundwave.compress.prune import hold_zeros, num_parameters, prune, sparsify
from groundwave.contract import ArrayContract
from groundwave.errors import GroundwaveError
from groundwave.model import Model
from groundwave.nn import BACKBONES
from groundwave.nn.heads import DirectionHead
from groundwave.nn.narrow import restore_sizes
from groundwave.rng import generator
from tests.contracts.test_backbones import TINY, build, inputs

WITHOUT = {"beamspace", "mcldnn", "semiamc"}  # no two layers in a row of which one alone takes what the other makes


def lively(name: str) -> nn.Module:
    """A network whose batch norms and biases are not what they start as, and whose units all matter."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = build(name, 2).eval()
        for tensor in [*network.parameters(), *network.buffers()]:
            if tensor.is_floating_point() and tensor.dim() == 1:
                tensor.data.uniform_(0.5, 1.5)
    return network.requires_grad_(False)


def drawn(network: nn.Module, seed: int) -> dict[Group, torch.Tensor]:
    draw = generator(seed, "kept")
    kept = {}
    for group in groups(network):
        num = int(torch.randint(1, group.num_units + 1, (), generator=draw))
        kept[group] = torch.randperm(group.num_units, generator=draw)[:num].sort().values
    return kept


def test_the_target_may_be_of_multiplications() -> None:
    network, x = lively("conv4"), inputs("conv4", 3, 2)
    wanted = network(x)

    def macs(one: nn.Module) -> float:
        return cost(one, x[:1]).macs

    def loss(one: nn.Module) -> float:
        return float((one(x) - wanted).square().mean())

    target = 0.6 * macs(network)
    assert 0.3 * target < macs(prune(network, loss, target, macs).network) <= target
    with pytest.raises(GroundwaveError, match="at least"):
        prune(network, loss, 1, macs)


@pytest.mark.parametrize("name", TINY)
def test_every_backbone_computes_what_it_would_with_silent_units(name: str) -> None:
    network = lively(name)
    if name in WITHOUT:
        assert groups(network) == []
        return
    kept = drawn(network, 2)
    assert kept
    x = inputs(name, 3, 2)
    pruned = keep(network, kept)
    assert num_parameters(pruned) < num_parameters(network)
    torch.testing.assert_close(pruned(x), mask(network, kept)(x), atol=2e-4, rtol=1e-3)
    assert (pruned(x) - network(x)).abs().max() > 1e-3


@settings(max_examples=20, deadline=None)
@given(name=st.sampled_from(["amc_cnn", "convlstm", "vit", "xcit"]), seed=st.integers(0, 999))
def test_whatever_units_go(name: str, seed: int) -> None:
    network = lively(name)
    kept = drawn(network, seed)
    x = inputs(name, 2, 2)
    torch.testing.assert_close(keep(network, kept)(x), mask(network, kept)(x), atol=2e-4, rtol=1e-3)


def test_a_unit_taken_at_the_wrong_place_is_caught() -> None:
    network = lively("amc_cnn")
    group = next(g for g in groups(network) if g.num_units == 16)  # its channels lie in a dense layer, 8 entries each
    kept = torch.arange(4, 12)
    right = mask(network, {group: kept})
    wrong = keep(network, {group: kept})
    dense = wrong.layers[6][1]
    dense.weight.data = network.layers[6][1].weight[:, torch.arange(64) + 4].clone()  # as if entries were channels
    x = inputs("amc_cnn", 3, 2)
    assert (wrong(x) - right(x)).abs().max() > 1e-3


def drift_from(network: nn.Module, x: torch.Tensor):
    wanted = network(x)
    return lambda other: float((other(x) - wanted).square().mean())


@pytest.mark.parametrize("name", ["amc_cnn", "convlstm", "vit", "xcit"])
def test_a_target_is_met_from_where_it_hurts_least(name: str) -> None:
    network, x = lively(name), inputs(name, 8, 2)
    target = 0.7 * num_parameters(network)
    found = prune(network, drift_from(network, x), target)
    assert num_parameters(found.network) == found.cost <= target
    restored = restore_sizes(build(name, 2), found.shapes).eval()
    restored.load_state_dict(found.network.state_dict())
    torch.testing.assert_close(restored(x), found.network(x))


def test_a_network_for_directions_is_pruned_from_its_input_to_its_head_and_comes_back(tmp_path: Path) -> None:
    contract = ArrayContract(32, 32, 32, size=(2, 2))
    torch.manual_seed(0)
    model = Model.build("aoanet", contract, {"widths": (8, 8, 8), "hidden": 16})
    args = {"num_features": 16}
    model = model.with_head("direction", DirectionHead(**args), args, ("azimuth", "elevation"))
    whole = Scored(model.backbone, model.head).eval().requires_grad_(False)
    assert len(groups(whole)) == 5  # three convolutions, of which the last leads into the dense layers, and these two
    kept = drawn(whole, 4)
    pruned, x = keep(whole, kept), torch.randn(3, 8, 32)
    torch.testing.assert_close(pruned(x), mask(whole, kept)(x), atol=1e-5, rtol=1e-4)
    assert pruned.backbone.num_features < 16
    before = whole.state_dict()
    shapes = {k: list(v.shape) for k, v in pruned.state_dict().items() if v.shape != before[k].shape}
    spec = {part: {**model.spec[part], "pruned": {}} for part in ("backbone", "head")}
    for name, shape in shapes.items():
        part, _, tensor = name.partition(".")
        spec[part]["pruned"][tensor] = shape
    small = Model(pruned.backbone, contract, spec, pruned.head, model.classes)
    array = torch.randn(3, 4, 32, dtype=torch.complex64)
    loaded = Model.load(small.save(tmp_path / "small"))
    torch.testing.assert_close(loaded.predict(array), small.predict(array))


def test_groups_that_do_nothing_go_first() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 20), nn.ReLU(), nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 3)).eval()
    network[2].weight.data[10:] *= 1e-6
    network[2].bias.data[10:] = 0
    x = torch.randn(32, 4)
    found = prune(network, drift_from(network, x), num_parameters(network) - 10 * 24)
    assert found.kept["2"] == (20, 10)
    assert found.kept["0"] == (20, 20)
    torch.testing.assert_close(found.network(x), network(x), atol=1e-4, rtol=1e-4)


def test_magnitude_is_that_of_all_matrices_of_a_unit() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    (group,) = groups(network)
    wanted = [(network[0].weight[u].square().sum() + network[2].weight[:, u].square().sum()) ** 0.5 for u in range(3)]
    torch.testing.assert_close(magnitude(network, group), torch.stack(wanted).detach())


def test_an_impossible_target_says_what_can_be_reached() -> None:
    network = lively("amc_cnn")
    loss = drift_from(network, inputs("amc_cnn", 2, 2))
    with pytest.raises(GroundwaveError, match="as far as its units go") as told:
        prune(network, loss, 10)
    reachable = float(told.value.expected.split("at least ")[1].split(",")[0])
    assert prune(network, loss, reachable).cost == reachable
    same = prune(network, loss, num_parameters(network))
    assert same.shapes == {}


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.96])
def test_magnitude_pruning_zeroes_exactly_the_smallest(sparsity: float) -> None:
    network = lively("vit")
    sparse = sparsify(network, sparsity)
    before, after = (torch.cat([p.flatten() for p in n.parameters() if p.dim() > 1]) for n in (network, sparse))
    gone = after == 0
    assert int(gone.sum()) == round(sparsity * len(before))
    if gone.any():
        assert before[gone].abs().max() <= before[~gone].abs().min()
    torch.testing.assert_close(after[~gone], before[~gone])


def test_what_is_zero_stays_zero_while_training() -> None:
    torch.manual_seed(0)
    sparse = sparsify(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)), 0.5)
    zeros = sparse[0].weight == 0
    for held in (True, False):
        if held:
            hold_zeros(sparse)
        else:
            sparse = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
            sparse[0].weight.data[zeros] = 0
        optimiser = torch.optim.AdamW(sparse.parameters(), 0.01)
        for _ in range(3):
            optimiser.zero_grad()
            sparse(torch.randn(16, 8)).square().sum().backward()
            optimiser.step()
        assert bool((sparse[0].weight[zeros] == 0).all()) == held


def test_a_sparsity_beyond_everything_is_refused() -> None:
    with pytest.raises(GroundwaveError, match="change the target"):
        sparsify(lively("vit"), 1.0)


def test_the_names_of_the_table_are_all_tried() -> None:
    assert set(TINY) == set(BACKBONES)
    assert set(TINY) > WITHOUT
