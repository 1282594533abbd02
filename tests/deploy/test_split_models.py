"""Models with exits as split graphs: the same answers from the same exits, and no part run in vain."""

from pathlib import Path

import numpy as np
import pytest
import torch

from groundwave.cli import main
from groundwave.compress.thresholds import judge
from groundwave.deploy import split as split_models
from groundwave.deploy.split import SplitModel, export_split
from groundwave.errors import ContractError, GroundwaveError, ModelError, OutputExistsError
from groundwave.model import InputContract, Model
from groundwave.nn.exits import MultiExit, Policy, entropy, exit_settings, multi_exit
from groundwave.nn.folded import folded
from groundwave.nn.heads import LinearHead
from groundwave.recipes.compress import Budget
from groundwave.rng import generator
from tests.doors.test_cli import error_of

ARGS = {
    "lsm": {"towers": {"a": {"kind": "residual", "dim": 8}, "b": {"kind": "welch"}, "c": {"kind": "moments"}}},
    "xcit": {"dim": 16, "depth": 3, "num_heads": 2},
}


def signals(num: int) -> torch.Tensor:
    return torch.randn(num, 2, 128, generator=generator(4, "signals"))


def with_exits(backbone: str, rule: str = "entropy") -> Model:
    torch.manual_seed(0)
    model = Model.build(backbone, InputContract(num_samples=128, min_samples=128, max_samples=128), ARGS[backbone])
    args = {"in_features": model.num_features, "out_features": 3}
    model = model.with_head("linear", LinearHead(**args), args, ("a", "b", "c"))
    settings = exit_settings(model.backbone, torch.zeros(1, 2, 128), (1, 2), 3)
    exits = multi_exit(model.backbone, model.head, (1, 2), settings, "pooled").eval()
    x = signals(16)
    x = x / (x.square().mean(dim=(1, 2), keepdim=True) * 2).sqrt()
    judged = judge(exits, iter([(x, torch.zeros(16).long())]), rule)
    first, second = judged.doubt.quantile(0.45, dim=0).tolist()  # between two records
    hopeless = (float(judged.doubt[:, 0].quantile(0.85)), 2.0) if rule == "margin" else ()
    return model.with_exits(exits, settings, "pooled", Policy((first, second), rule, hopeless))


@pytest.mark.parametrize(("backbone", "rule"), [("lsm", "entropy"), ("xcit", "margin")])
def test_parts_answer_as_the_model_does(tmp_path: Path, backbone: str, rule: str) -> None:
    model = with_exits(backbone, rule)
    split = SplitModel(export_split(model, tmp_path / "parts"))
    iq = signals(16)
    found, exits = split.answer(iq.numpy())
    scaled = iq / (iq.square().mean(dim=(1, 2), keepdim=True) * 2).sqrt()
    wanted = model.exits.answer(scaled, model.policy)
    assert len(set(exits.tolist())) > 1
    assert exits.tolist() == wanted.exit.tolist()
    np.testing.assert_allclose(found, wanted.probabilities.numpy(), atol=1e-4)
    for row in range(16):
        alone, left = split.answer(iq[row : row + 1].numpy())
        np.testing.assert_allclose(alone[0], found[row], atol=1e-4)
        assert left[0] == exits[row]
    at_once = SplitModel(tmp_path / "parts", Policy((1.0, 1.0), rule))
    assert at_once.answer(iq[:1].numpy())[1].tolist() == at_once.answer(iq[:2].numpy())[1].tolist()[:1] == [0]
    with pytest.raises(ModelError, match="3 thresholds for 2 exits"):
        SplitModel(tmp_path / "parts", Policy((0.5, 0.5, 0.5), rule))
    iq[1, 0, 3], iq[2, 1, 5] = torch.nan, torch.inf  # no class, and no further part
    told, where = split.answer(iq.numpy())
    assert np.isnan(told).any(axis=1).nonzero()[0].tolist() == [1, 2]
    assert np.isnan(split.answer(iq[1:2].numpy())[0]).all()
    assert where[1:3].tolist() == split.answer(iq[2:3].numpy())[1].tolist() * 2 == [0, 0]
    for wrong in (iq.double().numpy(), iq[0].numpy(), iq[..., :64].numpy(), iq[:, :1].numpy()):
        with pytest.raises(ContractError, match=r"expected float32 \[records, 2, 128\]"):
            split.answer(wrong)
    split.parts[-1] = None  # whoever leaves early does not need it
    sure = int(np.flatnonzero(exits < 2)[0])
    split.answer(iq[sure : sure + 1].numpy())


def test_the_command_writes_parts_or_says_that_exits_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = with_exits("xcit").save(tmp_path / "model")
    words = ["export", "--model", str(saved), "--out"]
    assert main([*words, str(tmp_path / "parts"), "--exits", "split"]) == 0
    assert f"ONNX parts: {tmp_path / 'parts'}" in capsys.readouterr().out
    assert SplitModel(tmp_path / "parts").answer(signals(2).numpy())[0].shape == (2, 3)
    assert main([*words, str(tmp_path / "whole.onnx")]) == 0
    assert "without its early exits (2)" in capsys.readouterr().out
    told = error_of(capsys, *words, tmp_path / "x.onnx", "--exits", "split", "--layout", "interleaved")
    assert f"with --layout interleaved, --out {tmp_path / 'x.onnx'}" in told


def test_folders_that_are_broken(tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    for part in ("part-0.onnx", "part-1.onnx"):
        (tmp_path / part).write_bytes(b"no graph")
    good = '{"thresholds": [0.1], "rule": "entropy", "hopeless": []}'
    for text in ("{", "[]", "{}", good.replace("[0.1]", "3"), good.replace('"entropy"', "[]")):
        policy.write_text(text)
        with pytest.raises(ModelError, match="export it again"):
            SplitModel(tmp_path)
    policy.write_text(good.replace("0.1", "7.0"))
    with pytest.raises(GroundwaveError, match="change the thresholds"):
        SplitModel(tmp_path)
    policy.write_text(good)
    with pytest.raises(ModelError, match="parts that cannot be run"):
        SplitModel(tmp_path)


def test_what_cannot_be_split(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="calibrate another rule"):
        export_split(with_exits("xcit", "patience"), tmp_path / "x")
    plain = Model.build("xcit", InputContract(num_samples=128, min_samples=128, max_samples=128), ARGS["xcit"])
    with pytest.raises(ModelError, match="groundwave compress"):
        export_split(plain, tmp_path / "x")
    with pytest.raises(ModelError, match="export it again"):
        SplitModel(tmp_path)
    with pytest.raises(ModelError, match="report this"):
        export_split(with_exits("xcit"), tmp_path / "x", tolerance=0)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "there").mkdir()
    with pytest.raises(OutputExistsError):
        export_split(with_exits("xcit"), tmp_path / "there")


def leaving(model: Model, policy: Policy) -> Model:
    return model.with_exits(model.exits, model.spec["exits"]["args"], "pooled", policy)


def with_scaled(name: str, factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have parts written whose scores at one place are so many times those of the model."""

    def changed(network: MultiExit) -> MultiExit:
        copy = folded(network)
        scores = [one for one in copy.get_submodule(name).modules() if isinstance(one, torch.nn.Linear)][-1]
        for parameter in scores.parameters():
            parameter.mul_(factor)
        return copy

    monkeypatch.setattr(split_models, "folded", changed)


def test_a_doubt_at_its_threshold_may_fall_on_either_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = with_exits("xcit")
    iq = torch.randn(8, 2, 128, generator=generator(0, "split", "parity"))  # the noise of the check
    scaled = iq / (iq.square().mean(dim=(1, 2), keepdim=True) * 2).sqrt()
    with torch.no_grad():
        doubt = entropy([model.exits(scaled)[0].softmax(dim=-1)])
    sure, hopeless = doubt.argsort()[[2, 5]].tolist()
    policy = Policy((float(doubt[sure]), 0.0), "entropy", (float(doubt[hopeless]), 2.0))
    with_scaled("exits.0", 1 + 1e-4, monkeypatch)  # every doubt a little lower, by more than rounding
    parts = SplitModel(export_split(leaving(model, policy), tmp_path / "parts"))
    moved = parts.answer(iq.numpy())[1] != model.exits.answer(scaled, policy).exit.numpy()
    assert sorted(np.flatnonzero(moved).tolist()) == sorted([sure, hopeless])


@pytest.mark.parametrize(("name", "threshold"), [("exits.0", 0.0), ("head", 1.0)])
def test_parts_that_differ_are_refused_even_if_no_record_leaves_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, threshold: float
) -> None:
    with_scaled(name, 1.1, monkeypatch)
    with pytest.raises(ModelError, match="parts that differ"):
        export_split(leaving(with_exits("xcit"), Policy((threshold, threshold))), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_exits_that_compress_adds_can_be_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Budget, "chosen", lambda _, found: next(one for one in found if "exits" in one.title))
    torch.manual_seed(0)
    model = Model.build("conv4", InputContract(num_samples=128, min_samples=128, max_samples=128), {"width": 8})
    args = {"in_features": model.num_features, "out_features": 3}
    model = model.with_head("linear", LinearHead(**args), args, ("BPSK", "GFSK", "AM-DSB"))
    saved = model.save(tmp_path / "model")
    scenes = ["--scene.num-samples", "128", "--scene.classes", *model.classes, "--scene.snrs-db", "20"]
    assert main(["generate", "radioml", "--num", "120", "--out", str(tmp_path / "store"), *scenes]) == 0
    words = ["--data", str(tmp_path / "store"), "--out", str(tmp_path / "out"), "--budget", "accuracy=-99"]
    assert main(["compress", str(saved), *words, "--epochs", "1", "--shrink", "1.5"]) == 0
    parts = export_split(Model.load(tmp_path / "out" / "model"), tmp_path / "parts")
    assert SplitModel(parts).answer(signals(2).numpy())[0].shape == (2, 3)
