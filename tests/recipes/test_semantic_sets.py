"""Recordings take the place of the scene: what they must hold, and who may see what of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from fake.pictures import write_pair

from groundwave.bench.rows import read
from groundwave.cli import main
from groundwave.data.ingest import ingest
from groundwave.data.sources import Records
from groundwave.errors import DataError, GroundwaveError
from groundwave.recipes.semantic_communication import semantic_communication
from groundwave.recipes.semantic_sets import PAIRS, plan_of_recordings

NUM = 10  # pictures of a class


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of pairs of two classes: one darker and nearer than the other."""
    root, draw = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number, name in enumerate(("kitchen", "office")):
        (root / "in" / name).mkdir(parents=True)
        for i in range(NUM):
            rgb = draw.integers(100 * number, 100 * number + 100, (48, 64, 3)).astype(np.uint8)
            depth = draw.integers(1000 + 1000 * number, 1500 + 1000 * number, (48, 64)).astype(np.uint16)
            write_pair(root / "in" / name / f"{i}_rgb.png", root / "in" / name / f"{i}_depth.png", rgb, depth)
    ingest([root / "in"], root / "rooms", format="picture-pairs")
    return root / "rooms"


def test_a_store_of_pictures_goes_through_the_comparison(pictures: Path, tmp_path: Path) -> None:
    words = [f"data={pictures}", "methods=supervised,ours", "shares=1.0", "--smoke", f"runs={tmp_path}"]
    assert main(["run", "semantic-communication", *words]) == 0
    rows = read(tmp_path / "smoke" / "results" / "semantic-communication.jsonl")
    assert {row.data for row in rows} == {"recordings rooms (rgb,depth)"}
    final = [row for row in rows if row.metric == "accuracy" and row.snr_db is None]
    assert [(row.n, row.shots, row.failed) for row in final] == [(6, 14, None)] * 2


def test_a_share_that_leaves_one_label_is_refused(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(GroundwaveError, match="leaves one label; expected two or more"):
        semantic_communication(runs=tmp_path, data=str(pictures), shares=(1.0, 0.1), smoke=True)


def test_records_that_lack_a_modality_are_refused(pictures: Path) -> None:
    assert len(PAIRS["rgb,depth"].recorded(str(pictures))) == 2 * NUM
    with pytest.raises(DataError, match="expected IQ"):
        PAIRS["iq,spec"].recorded(str(pictures))


def test_what_has_no_label_is_pretrained_on_unless_its_group_is_asked() -> None:
    group = torch.arange(60) // 2
    label = group % 3
    label[::6] = -1
    group[6] = -1  # and its label unknown: of whom it is cannot be told
    names = [f"room {number}" for number in range(30)]
    source = Records({"rgb": torch.zeros(60, 1), "label": label, "group": group}, classes="abc", group_names=names)
    plan = plan_of_recordings(source, 0)
    asked = plan.query
    assert not set(group[plan.pretraining].tolist()) & set(group[asked].tolist())
    free = set(plan.pretraining.tolist()) - set(plan.support.tolist())
    assert free
    assert 6 not in free
    assert all(label[row] == -1 for row in free)
    assert (label[torch.cat([asked, plan.support])] >= 0).all()
    assert set(label[plan.query].tolist()) == {0, 1, 2}


@pytest.mark.parametrize(
    ("label", "told"),
    [([-1] * 6, "without labels"), ([0] * 6, "1 classes, without"), ([0, 0, 0, 1, 1, 1], "3 classes, .* split: c;")],
)
def test_recordings_that_cannot_be_asked_are_refused(label: list[int], told: str) -> None:
    classes, names = "abc"[: max(1, max(label) + 1 + (1 in label))], list("abcdef")
    held = {"rgb": torch.zeros(6, 1), "label": torch.tensor(label), "group": torch.arange(6)}
    with pytest.raises(DataError, match=told):
        plan_of_recordings(Records(held, classes=classes, group_names=names), 0)
