"""Whatever exits, whatever units are gone, whatever was quantised: what comes back from disk is what was saved."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from groundwave.compress.distil import Scored
from groundwave.compress.groups import keep
from groundwave.compress.quantize import quantize
from groundwave.deploy.export import as_ort, start_session
from groundwave.model import InputContract, Model
from groundwave.nn.cuts import cut
from groundwave.nn.exits import EXIT_HEADS, RULES, Policy, exit_settings, multi_exit
from groundwave.nn.heads import LinearHead
from groundwave.recipes.compress import _pruned, _scored
from groundwave.rng import generator
from tests.compress.test_prune import drawn
from tests.compress.test_quantize import one_conv

ARGS = {"amc_cnn": {"width": 8}, "conv4": {"width": 4}, "xcit": {"dim": 16, "depth": 3, "num_heads": 2, "patch": 4}}


def model(name: str, seed: int) -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        contract = InputContract(num_samples=64, min_samples=64, max_samples=64)
        made = Model.build(name, contract, {**ARGS[name], **({} if name == "xcit" else {"num_samples": 64})})
        args = {"in_features": made.num_features, "out_features": 3}
        made = made.with_head("linear", LinearHead(**args), args, ("a", "b", "c"))
        for layer in made.backbone.modules():
            if isinstance(layer, torch.nn.BatchNorm1d):  # statistics that matter
                layer.running_mean.uniform_(-1, 1)
                layer.running_var.uniform_(0.5, 2)
    return made


def reloaded(saved: Model) -> Model:
    with tempfile.TemporaryDirectory() as folder:
        return Model.load(saved.save(Path(folder) / "model"))


def iq(seed: int) -> torch.Tensor:
    return torch.randn(5, 64, dtype=torch.complex64, generator=generator(seed, "reload"))


@settings(max_examples=15, deadline=None)
@given(
    name=st.sampled_from(sorted(ARGS)),
    kind=st.sampled_from(sorted(EXIT_HEADS)),
    rule=st.sampled_from(sorted(RULES)),
    places=st.sets(st.integers(1, 10), min_size=1, max_size=3),
    bounds=st.lists(st.tuples(st.floats(0, 1), st.floats(0.5, 2)), min_size=3, max_size=3),
    hopeless=st.booleans(),
    seed=st.integers(0, 999),
)
def test_exits(
    name: str,
    kind: str,
    rule: str,
    places: set[int],
    bounds: list[tuple[float, float]],
    hopeless: bool,
    seed: int,
) -> None:
    plain = model(name, seed)
    num_steps = len(cut(plain.backbone).steps)
    after = sorted({place % num_steps for place in places} - ({0} if name == "xcit" else set())) or [1]
    arguments = exit_settings(plain.backbone, torch.zeros(1, 2, 64), after, 3, kind)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = multi_exit(plain.backbone, plain.head, after, arguments, kind)
    low, high = zip(*bounds[: len(after)], strict=True)
    saved = plain.with_exits(network, arguments, kind, Policy(low, rule, high if hopeless else ()))
    found = reloaded(saved)
    assert (found.policy, found.exits.after) == (saved.policy, saved.exits.after)
    torch.testing.assert_close(found.predict(iq(seed)), saved.predict(iq(seed)), rtol=0, atol=0)
    for mine, other in zip(found.exits(torch.ones(2, 2, 64)), saved.exits(torch.ones(2, 2, 64)), strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=0)


@settings(max_examples=15, deadline=None)
@given(name=st.sampled_from(sorted(ARGS)), seed=st.integers(0, 999))
def test_what_is_left_of_a_pruned_model(name: str, seed: int) -> None:
    whole = model(name, seed)
    network = _scored(whole)
    left, before = keep(network, drawn(network, seed)), network.state_dict()
    assert isinstance(left, Scored)
    shapes = {k: list(v.shape) for k, v in left.state_dict().items() if v.shape != before[k].shape}
    saved = _pruned(whole, left, shapes)
    found = reloaded(saved)
    assert found.spec == saved.spec
    assert [p.shape for p in found.modules().parameters()] == [p.shape for p in saved.modules().parameters()]
    torch.testing.assert_close(found.predict(iq(seed)), saved.predict(iq(seed)), rtol=0, atol=0)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 999), rows=st.integers(2, 5), size=st.floats(0.1, 10))
def test_integers(seed: int, rows: int, size: float) -> None:
    draw = generator(seed, "integers")
    records = size * torch.randn(6, 5, 16, generator=draw)
    content = quantize(one_conv(torch.randn(rows, 5, 3, generator=draw)), records)
    wanted = start_session(content).run(None, {"x": records.numpy()})[0]
    with tempfile.TemporaryDirectory() as folder:
        for name, written in (("m.onnx", content), ("m.ort", as_ort(content))):
            (Path(folder) / name).write_bytes(written)
            session = start_session(Path(folder) / name)
            np.testing.assert_array_equal(session.run(None, {"x": records.numpy()})[0], wanted)
            assert session.get_modelmeta().custom_metadata_map["quantisation"] == "INT8 QDQ, per channel"
