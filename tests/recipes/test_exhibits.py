"""Exhibits: answers of one seed and one number of labels, kept until they are drawn, in the order that is asked."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from groundwave.bench.cells import Cell
from groundwave.recipes.exhibits import NUM, Exhibit, varied
from groundwave.recipes.spectrogram_sets import Field, Sizes
from groundwave.tasks.segmentation import Segmentation

SCENE = {"num_freqs": 64, "num_frames": 32, "num_per_block": 6}


def test_answers_of_other_seeds_and_counts_pass_by(tmp_path: Path) -> None:
    sizes = Sizes(pool=2, train=2, validation=2, test=6)
    scenes = {"cellular": SCENE}
    field = Field(name="x", scenes=scenes, sizes=sizes, seeds=(3, 4), results=tmp_path, runs=tmp_path, smoke=False)
    task = Segmentation(("noise", "NR", "LTE"))
    exhibit = Exhibit(field, task, 2, lambda chances: chances.argmax(dim=1).to(torch.uint8))
    drawn: list[Mapping[str, Tensor]] = []

    def draw(spec: Tensor, answers: Mapping[str, Tensor]) -> Figure:
        assert spec.shape == (NUM, 64, 32)
        drawn.append(answers)
        return Figure()

    for setting in field.settings_of():
        cells = {}
        for method, shots in (("b", 2), ("a", 2), ("c", 1)):
            cells[method] = Cell(method=method, data="d", seed=setting.seed, shots=shots, config={"epochs": 2})
        exhibit.hang(list(cells.values()), setting, draw)
        assert drawn == []
        for cell in cells.values():
            exhibit.note(cell, lambda record: torch.eye(3)[:, :1, None].expand(3, 3, 64, 32), setting)
        another = replace(cells["a"], config={"epochs": 3})
        exhibit.hang([another], setting, draw)  # what other settings would answer nobody has noted
        assert drawn == []
        exhibit.hang([cells["a"], cells["b"], cells["c"]], setting, draw)
        if setting.seed == 4:
            assert drawn == []
        else:
            assert list(drawn[0]) == ["truth", "a", "b"]
            assert drawn.pop()["a"].flatten(1).unique(dim=1).flatten().tolist() == [0, 0, 0]
    assert (tmp_path / "pictures" / "x-answers.png").read_bytes().startswith(b"\x89PNG")


def test_records_that_show_all_classes_are_drawn() -> None:
    """The first record shows but noise; the second one class, the fifth another, the sixth the first again."""
    targets = torch.zeros(6, 2, 3, dtype=torch.long)
    targets[1, 0], targets[3, 0], targets[4, 1], targets[5, 1] = 1, 1, 2, 1
    assert varied(targets, 3, 3).tolist() == [1, 4, 3]
    assert varied(targets[:2], 3, 3).tolist() == [1, 0]


def test_scenes_take_turns_and_number_all_their_classes(tmp_path: Path) -> None:
    sizes = Sizes(pool=6, train=0, validation=0, test=6)
    scenes = {"ism-band": SCENE, "cellular": SCENE}
    field = Field(name="x", scenes=scenes, sizes=sizes, seeds=(0,), results=tmp_path, runs=tmp_path, smoke=False)
    joined, alone = field.opened(), [field.opened().source for field in _each(field)]
    num = len(alone[0].classes)
    assert joined.name == "ism-band + cellular"
    assert list(joined.source.classes) == [*alone[0].classes, *alone[1].classes]
    mask, second = joined.source[torch.arange(12)]["mask"], alone[1][torch.arange(6)]["mask"]
    assert mask[::2].equal(alone[0][torch.arange(6)]["mask"])
    assert mask[1::2].equal(torch.where(second > 0, second + num, second))
    (setting,) = field.settings_of(joined)
    assert setting.plan.pretraining.tolist() == sorted(set(range(12)) - set(setting.plan.query.tolist()))
    assert len(setting.plan.support) == len(setting.plan.validation) == 0


def _each(field: Field) -> list[Field]:
    sizes = Sizes(pool=3, train=0, validation=0, test=3)
    return [replace(field, scenes={name: settings}, sizes=sizes) for name, settings in field.scenes.items()]
