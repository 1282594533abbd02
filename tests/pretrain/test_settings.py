"""Every setting that `groundwave pretrain --setting` knows trains, and keeps the answer that it names."""

from pathlib import Path

import pytest
import torch

from groundwave.data.sources import Records
from groundwave.pretrain.run import pretrain
from groundwave.recipes.pretrain import SETTINGS, views
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
