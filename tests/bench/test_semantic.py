"""The comparison across the air in small: what is sent where, a class left out, and the classical design."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from groundwave.bench import semantic, semantic_asides
from groundwave.bench.cells import Sheet
from groundwave.bench.contest import Setting
from groundwave.bench.information import Measured, information
from groundwave.bench.rows import read, reasons
from groundwave.bench.semantic import TOLD_LAST, Edge, Prepared, across
from groundwave.bench.semantic_asides import area, estimated_snr_db
from groundwave.contract import CSIContract
from groundwave.data.split import first_of_each
from groundwave.errors import UnknownNameError
from groundwave.recipes.semantic_communication import METHODS
from groundwave.recipes.semantic_sets import PAIRS, pair_of
from groundwave.recipes.spectrogram_sets import Sizes, plan_of
from groundwave.rng import generator
from groundwave.semcom.edge import Pace
from groundwave.semcom.engines import OneProcess
from groundwave.semcom.link import Link
from groundwave.train import Schedule

SIZES = Sizes(pool=40, train=80, validation=20, test=60)
PAIR = PAIRS["rgb,depth"]
LINK = Link(4, (10, 10), 0.0)
EDGE = Edge(
    contracts=PAIR.contracts,
    encoders=PAIR.encoder_maker(LINK.num_reals, 4),
    shared=PAIR.shared,
    own=PAIR.own,
    tuning=PAIR.tuning,
    link=LINK,
    noisy_gradients=True,
    stage_one=Schedule(epochs=1),
    stage_one_batch=40,
    pace=Pace(rounds=2),
    server_pace=Pace(rounds=2),
    batch_size=16,
    marks=(0, 2),
    snrs_db=(0.0,),
)


@pytest.fixture(scope="module")
def source() -> Any:
    return PAIR.records(SIZES.total, {"height": 16, "width": 16, "rooms_per_class": 2, "pictures_per_room": 1})


def setting(source: Any, folder: Path, seed: int = 0) -> Setting:
    return Setting(
        data="rooms",
        source=source,
        snr_db=torch.zeros(len(source)),
        plan=plan_of(source, SIZES, seed),
        seed=seed,
        sheet=Sheet(folder / "rows.jsonl", "rows"),
        runs=folder,
        progress=False,
    )


def test_a_new_class_is_in_neither_stage(source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[Tensor] = []
    first, second = semantic.first_stage, semantic.second_stage

    def watched_first(*given: Any) -> Any:
        used.append(given[3])
        return first(*given)

    def watched_second(*given: Any) -> Any:
        used.append(given[3])
        assert int(given[4][given[3]].max()) + 1 == given[5] == 9  # numbered without a gap
        return second(*given)

    monkeypatch.setattr(semantic, "first_stage", watched_first)
    monkeypatch.setattr(semantic, "second_stage", watched_second)
    for seed in (0, 3):
        semantic_asides.new_class(METHODS["ours"], EDGE, setting(source, tmp_path, seed), 2)
    labels = source.labels
    assert [int((labels[rows] == new).sum()) for rows, new in zip(used, (0, 0, 3, 3), strict=True)] == [0, 0, 0, 0]
    assert all(len(rows) > 50 for rows in used)
    rows = read(tmp_path / "rows.jsonl")
    assert [row.failed for row in rows if row.failed] == []
    assert {row.metric for row in rows} >= {"AUROC of the new class", "recall of the new class"}
    assert len(rows) == 10


def test_stage_one_sends_embeddings_between_devices_only_where_modalities_meet(source: Any, tmp_path: Path) -> None:
    here = setting(source, tmp_path)
    steps = len(here.plan.pretraining) // 40
    by_hand = 2 * steps * 40 * 256  # there and back, of one of two devices
    for name, reals in (("ours", by_hand), ("clip", by_hand), ("intra", 0)):
        _, objective = semantic.first_stage(METHODS[name], EDGE, here, here.plan.pretraining)
        assert across(objective, EDGE, here).traffic("stage one").real_symbols == reals
    assert across(None, EDGE, here).traffic().messages == 0


def test_stage_one_is_taken_up_where_it_ended(source: Any, tmp_path: Path) -> None:
    here = setting(source, tmp_path)
    once, _ = semantic.first_stage(METHODS["ours"], EDGE, here, here.plan.pretraining)
    again, _ = semantic.first_stage(METHODS["ours"], EDGE, here, here.plan.pretraining)
    fresh = EDGE.new_encoders(0)
    torch.testing.assert_close(once["rgb"].state_dict(), again["rgb"].state_dict())
    weights = "to_symbols.weight"
    assert not torch.equal(once["rgb"].state_dict()[weights], fresh["rgb"].state_dict()[weights])
    assert len(list((tmp_path / "stage-one").iterdir())) == 1


def test_stage_one_is_shared_by_settings_that_it_does_not_use(
    source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[Path] = []
    monkeypatch.setattr(semantic, "fit", lambda *_, out, **__: used.append(out))
    here = setting(source, tmp_path)
    other = replace(EDGE, link=Link(4, (0, 0), 1.0, 2), noisy_gradients=False, pace=Pace(rounds=9), marks=(1,))
    for edge, folders in ((EDGE, 1), (other, 1), (replace(EDGE, stage_one_batch=20), 2)):
        semantic.first_stage(METHODS["ours"], edge, here, here.plan.pretraining)
        assert len(set(used)) == folders


def test_partners_are_other_pictures_of_the_room_that_stage_one_may_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms = PAIR.records(SIZES.total, {"height": 16, "width": 16, "rooms_per_class": 2, "pictures_per_room": 3})
    here = setting(rooms, tmp_path)
    seen: list[Any] = []
    monkeypatch.setattr(semantic, "fit", lambda _, batches, **__: seen.extend(batches(0)))
    rows = here.plan.pretraining
    semantic.first_stage(METHODS["ours"], EDGE, here, rows)
    found = torch.cat([record["partner_rgb"] for record in seen]).flatten(1)
    index = torch.cat([record["index"] for record in seen])
    partner = rows[torch.cdist(found, rooms[rows]["rgb"].flatten(1)).argmin(dim=1)]
    torch.testing.assert_close(found, rooms[partner]["rgb"].flatten(1))
    assert (rooms.groups[partner] == rooms.groups[index]).all()
    assert float((partner != index).double().mean()) > 0.9
    seen.clear()
    semantic.first_stage(METHODS["ours-one-moment"], EDGE, here, rows)
    assert not any("partner_rgb" in record for record in seen)


def test_what_blocks_tell_is_asked_once(source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = setting(source, tmp_path)
    told = information({"rgb": torch.randn(80, 8, generator=generator(0, "told"))}, torch.arange(80) % 4, 0.5)
    asked: list[float] = []

    def informed(*given: Any) -> list[Measured]:
        asked.append(given[2])
        return told

    monkeypatch.setattr(semantic, "_measure", lambda *_: None)
    monkeypatch.setattr(semantic, "information", failing)
    semantic.compared(METHODS["ours"], EDGE, here, (40,))
    assert failures(tmp_path) == ["RuntimeError: no server"]
    monkeypatch.setattr(semantic, "information", informed)
    for counts in ((40,), (40, 20)):
        semantic.compared(METHODS["ours"], EDGE, here, counts)
    assert len(asked) == 1
    for key in ("ours-head-start", "intra", "clip", "all-common"):
        semantic.compared(METHODS[key], EDGE, here, (40,))
    assert len(asked) == 1, "blocks are ours alone, and a head start has those of ours"
    rows = read(tmp_path / "rows.jsonl")
    assert len(rows) == 1 + len(told)
    assert failures(tmp_path) == []
    assert rows[-1].metric == TOLD_LAST


def test_blocks_are_asked_about_one_picture_of_each_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert first_of_each(torch.tensor([7, 7, 2, 7, 9, 2])).tolist() == [0, 2, 4]
    rooms = PAIR.records(SIZES.total, {"height": 16, "width": 16, "rooms_per_class": 2, "pictures_per_room": 3})
    here = setting(rooms, tmp_path)
    asked: list[int] = []
    monkeypatch.setattr(semantic, "_measure", lambda *_: None)
    monkeypatch.setattr(semantic, "information", lambda embeddings, label, common: asked.append(len(label)) or [])
    semantic.compared(METHODS["ours"], EDGE, here, (40,))
    assert asked == [len(rooms.groups[here.plan.query].unique())]


def test_devices_are_given_back_also_where_something_fails(
    source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[int] = []
    monkeypatch.setattr(OneProcess, "close", lambda engine: closed.append(len(engine.names)))
    monkeypatch.setattr(semantic, "asked", failing)
    here = setting(source, tmp_path)
    semantic.compared(METHODS["supervised"], EDGE, here, (40,))
    semantic_asides.separate_design(EDGE, here, (40,), 4)
    assert [row.failed for row in read(tmp_path / "rows.jsonl")] == ["RuntimeError: no server"] * 2
    assert closed == [2, 2]


def failures(folder: Path) -> list[str]:
    return [reason for reason in reasons(read(folder / "rows.jsonl")) if reason]


def failing(*_: Any) -> float:
    raise RuntimeError("no server")


def test_what_pilots_leave_is_less_than_known_gains_and_more_with_more() -> None:
    left = [estimated_snr_db(10.0, pilots) for pilots in (1, 4, 10_000, 0)]
    assert left == sorted(left)
    assert left[0] == pytest.approx(10 * math.log10((10 * 10 / 11) / (1 + 10 / 11)))
    assert left[2] == pytest.approx(10, abs=0.01)
    assert left[3] == 10


def test_the_separate_design_fills_its_cells_and_more_symbols_bring_more_bits(source: Any, tmp_path: Path) -> None:
    here = setting(source, tmp_path)
    for symbols in (4, 64):
        semantic_asides.separate_design(EDGE, here, (40,), symbols)
    rows = read(tmp_path / "rows.jsonl")
    assert [row.failed for row in rows if row.failed] == []
    few, many = (row.value for row in rows if row.metric == "Mbit once")
    assert few == 2 * 40 * 4 * 2 / 1e6  # 4 symbols of 2.90 bits under Rayleigh fading at 10 dB: two coefficients of 4
    assert many is not None
    assert many > 15 * few


def test_labels_of_a_smaller_share_are_among_those_of_a_larger_one(source: Any, tmp_path: Path) -> None:
    here = setting(source, tmp_path)
    few, more = set(here.labelled(8).tolist()), set(here.labelled(40).tolist())
    assert few < more < set(here.plan.support.tolist())


def test_a_device_looks_through_views_in_training_only(source: Any) -> None:
    x = source[torch.arange(3)]["rgb"]
    prepare = Prepared("rgb", PAIR.contracts["rgb"], PAIR.tuning["rgb"])
    torch.testing.assert_close(prepare(x, None), 2 * x - 1)
    assert float((prepare(x, generator(0, "view")) - prepare(x, None)).abs().mean()) > 0.01
    with pytest.raises(ValueError, match="divide by the full scale"):
        prepare(x * 300, None)


def test_devices_may_have_sensors_of_one_kind() -> None:
    csi = torch.randn(2, 3, 16, 12, dtype=torch.complex64, generator=generator(0, "csi"))
    contract = CSIContract(3)
    torch.testing.assert_close(Prepared("at the door", contract, ())(csi, generator(0)), contract.prepare(csi))


def test_devices_as_actors_are_no_other_configuration() -> None:
    assert replace(EDGE, engine="ray").config() == EDGE.config()


def test_area_counts_pairs_in_order() -> None:
    assert area(torch.tensor([0.1, 0.4, 0.35, 0.8]), torch.tensor([False, False, True, True])) == 0.75


@pytest.mark.parametrize("name", PAIRS)
def test_each_pair_gives_records_that_its_encoders_take(name: str) -> None:
    pair = PAIRS[name]
    record = pair.records(4, {})[torch.arange(4)]
    for modality, encoder in pair.encoders(6, 4).items():
        x = Prepared(modality, pair.contracts[modality], pair.tuning.get(modality, ()))(
            record[modality], generator(0, "views")
        )
        features = encoder(x)
        assert features.shape == (4, 6)
        torch.testing.assert_close(features.mean(dim=0), torch.zeros(6), atol=1e-5, rtol=0)


def test_unknown_pairs_are_told_and_a_spectrogram_is_one_by_either_name() -> None:
    assert pair_of(["iq,spectrogram"])[0] == pair_of(["iq", "spec"])[0] == "iq,spec"
    with pytest.raises(UnknownNameError, match=r"rgb,depth"):
        pair_of(["rgb", "radar"])
