"""Antennas: who is learned on and asked, models at the level of the recording, answers without and with labels."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from groundwave.bench.antennas import AsRecorded, as_recorded, cross, crossing
from groundwave.bench.beam_pictures import distance_picture, frequency_picture, reliability_picture
from groundwave.bench.rows import read
from groundwave.errors import SplitError
from groundwave.metrics import reliability
from groundwave.model import InputContract, Model
from groundwave.page import png
from groundwave.recipes.beam_sets import AWAY, HOME, Field, frozen, open_beams
from groundwave.recipes.deepbeam_cnn import SIZES, cnn
from groundwave.recipes.protobeam import counted_anew, spectrum


@pytest.fixture(scope="module")
def beams() -> Any:
    return open_beams("beams", small=True)


def field(path: Path, **given: Any) -> Field:
    settings = {"pairs": (0, 1, 2), "shots": (2,), "smoke": True, **given}
    return Field(name="b", data="beams", results=path, runs=path, **settings)


def test_no_frame_is_on_two_sides_and_every_beam_on_each(beams: Any) -> None:
    for learned, asked in (((0,), 0), ((0,), 1), ((0, 2), 1)):
        plan = crossing(beams.source, beams.front_end, learned, asked, seed=3)
        rows = [plan.pretraining, plan.support, plan.query]
        groups = torch.cat([beams.source.groups[part] for part in rows])
        assert len(groups.unique()) == len(groups)
        assert set(beams.front_end[plan.pretraining].tolist()) == set(learned)
        assert beams.front_end[torch.cat(rows[1:])].unique().tolist() == [asked]
        for part in rows:
            assert beams.source.labels[part].unique().tolist() == list(range(5))
    same = crossing(beams.source, beams.front_end, (0,), 0, seed=3)
    other = crossing(beams.source, beams.front_end, (0,), 1, seed=3)
    assert same.pretraining.equal(other.pretraining)  # so that one training serves both
    assert not same.pretraining.equal(crossing(beams.source, beams.front_end, (0,), 0, seed=4).pretraining)


def test_pairs_know_who_else_there_is(beams: Any, tmp_path: Path) -> None:
    one = field(tmp_path)
    for pair, (first, second, third) in enumerate([(0, 1, 2), (1, 2, 0), (2, 0, 1)]):
        lent = {"": [first], "others": [third], "all": [0, 1, 2]}
        for learned, numbers in lent.items():
            home, away = one.settings(beams, pair, learned)
            assert beams.front_end[home.plan.query].unique().tolist() == [first]
            assert beams.front_end[away.plan.query].unique().tolist() == [second]
            for setting in (home, away):
                assert beams.front_end[setting.plan.pretraining].unique().tolist() == numbers
    alone, mixed = (one.settings(beams, 0, learned)[0].plan for learned in ("", "all"))
    assert abs(len(alone.pretraining) - len(mixed.pretraining)) < 5


def test_a_model_as_recorded_hears_the_level(beams: Any) -> None:
    model = Model.build("deepbeam_cnn", InputContract(256, 256, 256), {"num_samples": 256, "width": 4})
    iq = beams.source[torch.arange(4)]["iq"]
    torch.testing.assert_close(model.embed(3 * iq), model.embed(iq), rtol=1e-3, atol=1e-4)
    raw = as_recorded(model)
    assert isinstance(raw.contract, AsRecorded)
    torch.testing.assert_close(raw.embed(3 * iq), 3 * raw.embed(iq), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(raw.embed({"iq": iq}), raw.embed(iq))


def test_it_learns_once_and_answers_at_home_and_away(beams: Any, tmp_path: Path) -> None:
    from groundwave.bench.contest import Contender

    one = field(tmp_path)
    contender = Contender(
        cnn(SIZES["ours"], one.contract(beams), smoke=True), (frozen("probe", "prototypes", raw=True),)
    )
    settings = one.settings(beams, 0)
    cross(contender, one.questions(), settings, "as it is")
    rows = read(one.path)
    assert {(row.method, row.data, row.shots) for row in rows} == {
        (name, f"beams, {where}", shots) for where in (HOME, AWAY) for name, shots in (("as it is", 0), ("probe", 2))
    }
    assert len({row.split_hash for row in rows}) == 4  # without episodes and with them, at home and away
    assert all(row.snr_db is None and row.failed is None for row in rows)
    assert len(list((one.home / "supervised-deepbeam_cnn" / "all").iterdir())) == 1
    cross(contender, one.questions(), one.settings(beams, 0), "as it is")
    assert read(one.path) == rows


def test_whitening_that_fails_is_told_in_its_cells(beams: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from groundwave.bench import contest

    def refuse(*_: Any, **__: Any) -> Model:
        raise RuntimeError("singular")

    one = field(tmp_path)
    monkeypatch.setattr(contest, "whitened", refuse)
    ways = (replace(frozen("probe", "prototypes", raw=True), white=True),)
    cross(
        contest.Contender(cnn(SIZES["ours"], one.contract(beams), smoke=True), ways),
        one.questions(),
        one.settings(beams, 0),
    )
    told = {(row.data, row.failed) for row in read(one.path)}
    assert told == {(f"beams, {where}", "RuntimeError: singular") for where in (HOME, AWAY)}


def test_a_leak_is_refused(beams: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from groundwave.bench import antennas

    def torn(*given: Any, **settings: Any) -> Any:
        parts = antennas_split(*given, **settings)
        return {**parts, "query": torch.cat([parts["query"], parts["train"][:1]])}

    antennas_split = antennas.split
    monkeypatch.setattr(antennas, "split", torn)
    with pytest.raises(SplitError, match="split by group"):
        crossing(beams.source, beams.front_end, (0,), 0, seed=0)


def test_features_counted_anew_have_no_mean_and_the_spectrum_has_no_level(beams: Any) -> None:
    model = Model.build("welch", InputContract(256, 256, 256))
    iq = beams.source[torch.arange(40)]["iq"]
    features = counted_anew(model)(iq)
    torch.testing.assert_close(features.mean(0), torch.zeros(features.shape[1]), atol=1e-5, rtol=0)
    torch.testing.assert_close(spectrum(2 * iq), spectrum(iq), atol=1e-4, rtol=0)


def test_pictures_are_drawn() -> None:
    apart = torch.tensor([0, 1, -1, 9, 0]).numpy()
    curve = reliability(torch.rand(50, 3, generator=torch.Generator().manual_seed(0)).softmax(1), torch.arange(50) % 3)
    figures = (
        distance_picture({"home": apart, "away": apart}),
        frequency_picture(torch.rand(5, 16, generator=torch.Generator().manual_seed(0)).numpy(), 3e9),
        frequency_picture(torch.ones(5, 16).numpy(), float("nan")),
        reliability_picture({"home": curve}),
    )
    assert figures[0].axes[0].patches[0].get_height() == pytest.approx(40)  # two of five are one beam off
    assert figures[0].axes[0].patches[5].get_height() == pytest.approx(20)  # one is far off
    assert "GHz" in figures[1].axes[0].get_xlabel()
    assert all(len(png(figure)) > 5000 for figure in figures)
