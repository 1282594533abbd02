"""Recipes of beams: a setting is a size of network, and rows that there are belong to cells of the usual one."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from groundwave.bench.antennas import _own
from groundwave.bench.cells import KEY, Cell
from groundwave.bench.contest import Contender, Questions, cells
from groundwave.bench.rows import read
from groundwave.contract import InputContract
from groundwave.errors import UnknownNameError
from groundwave.model import Model
from groundwave.recipes import beam_sets, deepbeam_cnn, protobeam_published
from groundwave.recipes.beam_sets import AWAY, HOME, PAIRS, SHOTS

RESULTS = Path(__file__).parents[2] / "results"
CONTRACT = InputContract(1024, 1024, 1024)
PUBLISHED = protobeam_published.SIZES["published"]


def contests(name: str, setting: str) -> Iterator[tuple[Contender, tuple[int, ...], str, bool]]:
    if name == "protobeam-published":
        for rung in protobeam_published.LADDER:
            yield protobeam_published.published(rung, protobeam_published.SIZES[setting], CONTRACT), SHOTS, "", False
        return
    size = deepbeam_cnn.SIZES[setting]
    plain, probed, tuned, mixed = deepbeam_cnn.methods(size.title)
    network = deepbeam_cnn.cnn(size, CONTRACT)
    ways = (beam_sets.frozen(probed, "logistic", raw=True), deepbeam_cnn.tuned(tuned, deepbeam_cnn.TUNING["steps"]))
    yield Contender(network, ways), deepbeam_cnn.SHOTS, plain, False
    yield Contender(network, ()), deepbeam_cnn.SHOTS, mixed, True


def cells_of(name: str, setting: str) -> Iterator[Cell]:
    _, config = beam_sets.scene_of(beam_sets.NUM_SAMPLES)
    for contender, shots, unadapted, mixed in contests(name, setting):
        for pair in PAIRS:
            for where in (HOME, AWAY):
                told = {**config, "learned": [0, 1, 2, 3] if mixed else [pair]}
                place: Any = SimpleNamespace(data=f"beams, {where}", seed=pair, config=told)
                yield from cells(contender, Questions((), shots, beam_sets.NUM_EPISODES), place)
                yield from _own(unadapted, contender, place)


@pytest.mark.parametrize("name", ["protobeam-published", "deepbeam-cnn"])
def test_finished_rows_are_those_of_cells_of_our_size(name: str) -> None:
    known = {cell.key() for cell in cells_of(name, "ours")}
    rows = [row for row in read(RESULTS / f"{name}.jsonl") if " at full size" not in row.method]
    assert rows
    assert {tuple(getattr(row, field) for field in KEY) for row in rows} <= known
    assert not known & {cell.key() for cell in cells_of(name, "published")}


def test_the_published_networks_are_as_large_as_published() -> None:
    network = Model.build("densenet", CONTRACT, dict(PUBLISHED.network)).backbone
    assert 320_000 < sum(weights.numel() for weights in network.parameters()) < 330_000  # 326 k in the source
    assert PUBLISHED.num_samples == deepbeam_cnn.SIZES["published"].num_samples == 2048


@pytest.mark.parametrize("recipe", [protobeam_published.protobeam_published, deepbeam_cnn.deepbeam_cnn])
def test_an_unknown_setting_is_refused_and_the_published_one_runs(recipe: Any, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="setting"):
        recipe(tmp_path, setting="larger")
    path = recipe(tmp_path, runs=tmp_path, setting="published", smoke=True)
    assert {row.method.split(",")[0].endswith("at full size") for row in read(path) if row.failed is None} == {True}
