"""Every setting that `groundwave pretrain --setting` knows trains, and keeps the answer that it names."""

from pathlib import Path

import numpy as np
import pytest
import torch

from groundwave.data.sources import Records
from groundwave.errors import DataError
from groundwave.pretrain.run import pretrain
from groundwave.recipes.pretrain import SETTINGS, views
from groundwave.recipes.pretrain import pretrain as pretrain_named
from groundwave.train import Schedule


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_trains_and_its_views_keep_its_answer(name: str, tmp_path: Path) -> None:
    setting = SETTINGS[name]
    assert setting.OBJECTIVE["answer"] in {"modulation", "family"}
    iq = torch.randn(
        16, setting.CONTRACT.num_samples, dtype=torch.complex64, generator=torch.Generator().manual_seed(0)
    )
    source = Records({"iq": iq, "group": torch.arange(16) // 2}, group_names=[str(g) for g in range(8)])
    model = pretrain(
        source,
        out=tmp_path / "run",
        contract=setting.CONTRACT,
        views=views(source, setting),
        schedule=Schedule(epochs=1, precision="32-true"),
        backbone_args=setting.BACKBONE,
        objective_args=setting.OBJECTIVE,
        groups=source.groups if setting.PAIRS_WITHIN_RECORDING else None,
        batch_size=8,
        progress=False,
    )
    assert model.embed(iq[:2]).isfinite().all()


NAMES = {"label": "label", "classes": "classes"}


def labelled(folder: Path, label: list[int]) -> Path:
    iq = torch.randn(len(label), 128, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    path = folder / "windows.npz"
    np.savez(path, iq=iq.numpy(), label=np.array(label), classes=np.array(["am", "fm"]), sample_rate_hz=1e6)
    return path


@pytest.mark.parametrize("backbone", ["spectrum", "conv4", "vtcnn2"])
@pytest.mark.parametrize("objective", ["simclr", "sclbss", "supervised"])
def test_any_objective_trains_any_backbone_of_one_length_or_of_many(
    objective: str, backbone: str, tmp_path: Path
) -> None:
    data = labelled(tmp_path, [0, 1] * 6)
    settings = {"objective": objective, "backbone": backbone, "epochs": 1, "progress": False, "options": NAMES}
    model = pretrain_named(str(data), out=tmp_path / "run", **settings)
    assert model.embed(torch.randn(2, 128, dtype=torch.complex64)).isfinite().all()
    assert model.classes == (("am", "fm") if objective == "supervised" else ())
    purpose = "to tell 2 classes" if objective == "supervised" else "in the setting modulation"
    assert f"pretrained with {objective} {purpose}\n" in model.card


def test_records_without_a_label_are_left_out_by_objectives_that_learn_from_labels(tmp_path: Path) -> None:
    data = labelled(tmp_path, [-1, 0, 1, -1, 0, 1])
    settings = {"objective": "supervised", "backbone": "spectrum", "epochs": 1, "progress": False, "options": NAMES}
    model = pretrain_named(str(data), out=tmp_path / "run", **settings)
    assert model.card.startswith("# spectrum pretrained with supervised to tell 2 classes\n\n1 epochs over 4 records")
    assert model.card.endswith("Classes: am, fm.\n")
    with pytest.raises(DataError, match="--label"):
        pretrain_named(str(labelled(tmp_path, [-1] * 6)), out=tmp_path / "other", **settings)
