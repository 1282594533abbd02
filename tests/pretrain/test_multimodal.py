"""One trunk for several modalities: shared weights, joint training, one file, parts that stand alone."""

from pathlib import Path
from typing import Any

import pytest
import torch

from groundwave.contract import Contract, CSIContract, InputContract, SpectrogramContract
from groundwave.contracts import Record
from groundwave.data.side_by_side import SideBySide
from groundwave.data.sources import Records
from groundwave.errors import GroundwaveError, UnknownNameError
from groundwave.model import Model
from groundwave.nn import BACKBONES
from groundwave.nn.vit import DropPath
from groundwave.pretrain.multimodal import MultiModalMSM
from groundwave.pretrain.run import pretrain
from groundwave.rng import generator
from groundwave.train import Schedule

STEMS: dict[str, dict[str, Any]] = {
    "spec": {"patch": (8, 4)},
    "csi": {"num_channels": 3, "patch": (6, 5)},
    "iq": {"num_channels": 2, "patch": (1, 16)},
}
ARGS: dict[str, Any] = {"stems": STEMS, "dim": 16, "depth": 2, "num_heads": 2}
CONTRACTS: dict[str, Contract] = {
    "spec": SpectrogramContract(min_freqs=8, min_frames=8),
    "csi": CSIContract(num_antennas=3),
    "iq": InputContract(64, 32, 128),
}
DECODER = {"decoder": {"name": "light", "dim": 16, "depth": 1, "num_heads": 2}}
SETTINGS = {"settings": {name: DECODER for name in STEMS}}


def records(num: int = 12) -> Record:
    stream = generator(0, "records")
    return {
        "spec": 8 * torch.randn(num, 16, 12, generator=stream),
        "csi": torch.randn(num, 3, 12, 10, dtype=torch.complex64, generator=stream),
        "iq": torch.randn(num, 64, dtype=torch.complex64, generator=stream),
    }


def joined() -> SideBySide:
    """Return sources of different lengths, the first the longest."""
    sizes = {"spec": 12, "csi": 8, "iq": 5}
    return SideBySide({name: Records({name: x[: sizes[name]]}) for name, x in records().items()})


def test_records_of_shorter_sources_come_again() -> None:
    source, whole = joined(), records()
    assert len(source) == 12
    found = source[torch.tensor([11, 0, 6])]
    torch.testing.assert_close(found["spec"], whole["spec"][[11, 0, 6]])
    torch.testing.assert_close(found["csi"], whole["csi"][[3, 0, 6]])
    torch.testing.assert_close(found["iq"], whole["iq"][[1, 0, 1]])
    assert found["index"].tolist() == [11, 0, 6]


def test_networks_of_the_modalities_share_the_trunk_and_nothing_else() -> None:
    whole = BACKBONES["multimodal_vit"](**ARGS)
    parts = {name: whole.for_modality(name)[0] for name in STEMS}
    owned = [{id(p) for p in part.parameters()} for part in parts.values()]
    trunk = {id(p) for p in [*whole.blocks.parameters(), *whole.norm.parameters()]}
    assert set.intersection(*owned) == trunk
    assert set.union(*owned) == {id(p) for p in whole.parameters()}
    x = torch.randn(2, 1, 16, 12)
    torch.testing.assert_close(whole(x), parts["spec"](x))
    with pytest.raises(UnknownNameError, match="did you mean"):
        whole.for_modality("spek")


def test_modalities_of_a_multiway_trunk_share_attention_and_nothing_else() -> None:
    whole = BACKBONES["multimodal_vit"](**ARGS, multiway=True)
    parts = {name: whole.for_modality(name)[0] for name in STEMS}
    owned = [{id(p) for p in part.parameters()} for part in parts.values()]
    assert set.intersection(*owned) == {id(p) for block in whole.blocks for p in block.attention.parameters()}
    assert set.union(*owned) == {id(p) for p in whole.parameters()}
    torch.testing.assert_close(whole(x := torch.randn(2, 1, 16, 12)), parts["spec"](x))
    drawn = torch.get_rng_state()
    network, args = whole.eval().for_modality("iq")
    assert drawn.equal(torch.get_rng_state())
    assert not any(module.training for module in network.modules() if isinstance(module, DropPath))
    alone = BACKBONES["vit"](**args)
    alone.load_state_dict(network.state_dict())
    torch.testing.assert_close(alone(x := torch.randn(2, 2, 1, 64)), network(x))


def test_a_step_teaches_the_trunk_and_each_stem() -> None:
    torch.manual_seed(0)
    backbone = BACKBONES["multimodal_vit"](**ARGS)
    objective = MultiModalMSM(backbone, (), CONTRACTS, **SETTINGS)
    scalars = objective(records(), generator(0, "step"))
    assert scalars.keys() == {"loss", *(f"{name} explained" for name in STEMS)}
    scalars["loss"].backward()
    missing = [n for n, p in objective.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert [n for n in missing if not n.endswith("bias")] == []
    alone = [objective.tasks[name](records(), stream)["loss"] for stream in [generator(0, "step")] for name in STEMS]
    torch.testing.assert_close(scalars["loss"], torch.stack(alone).mean())
    assert len(objective.picture(records(), generator(0)).axes) == 9


def run(out: Path) -> Model:
    return pretrain(
        joined(),
        out=out,
        contract=CONTRACTS["spec"],
        others={name: contract for name, contract in CONTRACTS.items() if name != "spec"},
        views=(),
        schedule=Schedule(epochs=1, precision="32-true"),
        backbone="multimodal_vit",
        backbone_args=ARGS,
        objective="multimodal_msm",
        objective_args=SETTINGS,
        batch_size=6,
        progress=False,
    )


def test_one_file_of_weights_serves_all_modalities(tmp_path: Path) -> None:
    model, given = run(tmp_path / "run"), records()
    assert sorted(path.name for path in (tmp_path / "run" / "pictures").iterdir()) == ["epoch-0001.png"]
    folder = tmp_path / "run" / "model"
    loaded = Model.load(folder)
    assert loaded.others.keys() == {"csi", "iq"}
    for name in STEMS:
        features = model.for_modality(name).embed(given[name])
        assert features.shape == (12, 16)
        torch.testing.assert_close(Model.load(f"{folder}:{name}").embed(given), features, rtol=0, atol=0)
    torch.testing.assert_close(loaded.embed(given["spec"]), loaded.for_modality("spec").embed(given["spec"]))


def test_a_part_is_a_model_of_its_own(tmp_path: Path) -> None:
    model = run(tmp_path / "run")
    part = model.for_modality("csi")
    assert part.for_modality("csi") is part
    part.save(tmp_path / "csi")
    alone, given = Model.load(tmp_path / "csi"), records()["csi"]
    torch.testing.assert_close(alone.embed(given), part.embed(given), rtol=0, atol=0)
    assert alone.spec["backbone"]["name"] == "vit"
    assert alone.others == {}
    for lacking in (model, alone):
        with pytest.raises(UnknownNameError):
            lacking.for_modality("depth")


def test_a_resumed_run_asks_for_the_same_modalities(tmp_path: Path) -> None:
    model = run(tmp_path / "run")
    again = run(tmp_path / "run")
    torch.testing.assert_close(again.backbone.state_dict(), model.backbone.state_dict())
    assert again.others == model.others


def test_a_backbone_of_one_modality_is_refused() -> None:
    with pytest.raises(GroundwaveError, match="--backbone multimodal_vit"):
        MultiModalMSM(BACKBONES["vit"](), (), CONTRACTS)
