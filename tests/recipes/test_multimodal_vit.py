"""One trunk against separate ones: the same records, trunks of one size, one run of shared weights for all tasks."""

from pathlib import Path

import pytest
import torch

from groundwave.bench.rows import read
from groundwave.model import Model
from groundwave.recipes.multimodal import (
    CONTRACTS,
    PRETRAINING,
    TASK_OF,
    TINY_SCENES,
    TINY_SIZES,
    TRUNK,
    Backbones,
    multimodal_vit,
    sets_of,
)
from groundwave.recipes.spectrogram_sets import Field

KINDS = ("shared", "multiway", "separate")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("multimodal")
    multimodal_vit(home, runs=home, smoke=True)
    return home / "smoke"


def test_shared_weights_are_pretrained_once_for_all_tasks(home: Path) -> None:
    shared = [Model.load(run / "model") for run in (home / "multimodal_msm-multimodal_vit" / "all").iterdir()]
    separate = [Model.load(run / "model") for run in (home / "msm-vit" / "all").iterdir()]
    assert len(separate) == len(CONTRACTS)
    assert sorted(bool(whole.backbone.ways) for whole in shared) == [False, True]
    for whole in shared:
        assert {whole.contract.modality, *whole.others} == set(CONTRACTS)
        for model in separate:
            part = whole.for_modality(model.contract.modality).backbone.state_dict()
            alone = model.backbone.state_dict()
            assert {name: x.shape for name, x in part.items()} == {name: x.shape for name, x in alone.items()}
            assert not all(x.equal(part[name]) for name, x in alone.items())


def test_each_task_has_rows_of_both(home: Path) -> None:
    rows = read(home / "results" / "multimodal-vit.jsonl")
    assert {row.method for row in rows} == {f"{task}, {kind}" for task in TASK_OF.values() for kind in KINDS}
    assert len({row.data for row in rows}) == 1


def test_sets_share_their_records_and_have_labels_of_their_own(home: Path) -> None:
    given = {"results": home, "runs": home.parent, "smoke": True, "seeds": (0,)}
    opened = sets_of(Field(name="x", scenes=TINY_SCENES, sizes=TINY_SIZES, **given))  # type: ignore[arg-type]
    rows = torch.arange(TINY_SIZES.total)
    records = {modality: one.source[rows] for modality, one in opened.items()}
    for name in CONTRACTS:
        assert all(record[name].equal(records["spec"][name]) for record in records.values())
    assert (records["spec"]["label"] == -1).all()
    assert records["csi"]["label"].unique().tolist() == records["iq"]["label"].unique().tolist() == [0, 1]
    assert not records["csi"]["label"].equal(records["iq"]["label"])
    assert [list(one.source.classes) for one in opened.values()] == [["NR", "LTE"], ["walk", "sit"], ["BPSK", "QAM16"]]


def test_trunks_are_as_large_as_each_other() -> None:
    backbones = Backbones(TRUNK, PRETRAINING, 64)
    for modality, contract in CONTRACTS.items():
        networks = backbones.of(modality)
        assert set(networks) == set(KINDS)
        for how in networks.values():
            assert how.schedule == PRETRAINING
            assert how.batch_size == 64
            assert {**how.backbone_args, **TRUNK} == dict(how.backbone_args)
            assert ("others" in how.config()) == (how.backbone == "multimodal_vit")
        assert networks["separate"].contract is contract
