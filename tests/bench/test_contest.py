"""Contests: same episodes for all, rows that say everything, and a stopped one goes on at the missing cells."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from groundwave.adapt.linear import Prototype
from groundwave.bench import contest, encoders
from groundwave.bench.cells import Sheet
from groundwave.bench.contest import ACCURACY, SPREAD, Contender, Questions, Setting, Way, compete
from groundwave.bench.encoders import Hidden, Pretraining
from groundwave.bench.labels import Labels, efficiency
from groundwave.bench.methods import Method
from groundwave.bench.plans import Plan, draw_from_cells, split_cells
from groundwave.bench.rows import Row, read
from groundwave.data.sources import Records
from groundwave.model import InputContract, Model
from groundwave.rng import generator
from groundwave.train import Schedule
from groundwave.views import Normalise, Rotate

CONTRACT = InputContract(num_samples=32, min_samples=32, max_samples=32)
HOW = Pretraining(
    backbone="xcit",
    objective="simclr",
    views=(Rotate(), Normalise()),
    schedule=Schedule(epochs=1, precision="32-true"),
    batch_size=32,
    contract=CONTRACT,
    backbone_args={"dim": 16, "depth": 1, "patch": 4},
)
QUESTIONS = Questions(snrs_db=(0.0, 10.0), shots=(1, 2), num_episodes=3, num_queries=5)
NUM = 480


def spectra(iq: torch.Tensor) -> torch.Tensor:
    return torch.fft.fft(iq).abs()


def way(name: str, most_episodes: int | None = None) -> Way:
    return Way(name, {"learner": "Prototype"}, lambda _: Method(name, lambda _: Prototype(), spectra), most_episodes)


def source() -> Records:
    """Return three classes of tones at two SNRs, in groups of four."""
    row, time = torch.arange(NUM), torch.arange(32)
    label = row // 4 % 3
    noise = torch.randn(NUM, 32, dtype=torch.complex64, generator=generator(0, "noise"))
    iq = torch.exp(2j * torch.pi * (1 + label[:, None]) * 3 / 32 * time) + 0.3 * noise
    record = {"iq": iq, "label": label, "group": row // 4}
    return Records(record, classes=["a", "b", "c"], group_names=[str(g) for g in range(NUM // 4)])


def setting(path: Path, seed: int = 0) -> Setting:
    records, snr_db = source(), (torch.arange(NUM) // 12 % 2).float() * 10
    parts = split_cells(
        records, {"train": 0.5, "validation": 0.2, "test": 0.3}, seed=seed, snr_db=snr_db, classes=range(3)
    )
    support = draw_from_cells(parts["train"], records.labels, snr_db, 4, seed=seed)
    rest = parts["train"][~torch.isin(parts["train"], support)]
    plan = Plan("halves", rest, support, parts["test"], parts["validation"], (0, 1, 2), (0, 1, 2))
    return Setting("tones", records, snr_db, plan, seed, Sheet(path / "p.jsonl", "p"), path / "runs", {"x": 1}, False)


def rows(path: Path) -> list[Row]:
    return read(path / "p.jsonl")


def test_each_way_gets_a_mean_and_a_spread_in_each_cell(tmp_path: Path) -> None:
    compete(Contender(None, (way("a"), way("b", most_episodes=1))), QUESTIONS, setting(tmp_path))
    found = {(r.method, r.metric, r.snr_db, r.shots) for r in rows(tmp_path)}
    cells = [(snr, shots) for snr in (0.0, 10.0, None) for shots in (1, 2)]
    assert found == {("a", m, *c) for m in (ACCURACY, SPREAD) for c in cells} | {("b", ACCURACY, *c) for c in cells}
    for row in rows(tmp_path):
        assert row.failed is None
        assert row.split == "halves"
        assert len(row.split_hash) == 12
        assert row.n == 3 * 5 * (3 if row.method == "a" else 1)
        assert row.config["episodes"] == (3 if row.method == "a" else 1)
        assert row.config["x"] == 1
        assert row.value is not None
        assert (row.value > 0.9) == (row.metric == ACCURACY)


def test_all_methods_answer_the_same_episodes(tmp_path: Path) -> None:
    compete(Contender(None, (way("a"), way("b"))), QUESTIONS, setting(tmp_path))
    hashes = {(r.method, r.snr_db, r.shots): r.split_hash for r in rows(tmp_path)}
    values = {(r.method, r.metric, r.snr_db, r.shots): r.value for r in rows(tmp_path)}
    assert all(hashes["b", *key[1:]] == value for key, value in hashes.items() if key[0] == "a")
    assert all(values["b", *key[1:]] == value for key, value in values.items() if key[0] == "a")
    assert len(set(hashes.values())) == 6


def test_features_are_computed_once_for_all_ways_and_numbers_of_labels(tmp_path: Path) -> None:
    seen: list[int] = []

    def embed(iq: torch.Tensor) -> torch.Tensor:
        seen.append(len(iq))
        return spectra(iq)

    ways = tuple(Way(name, {}, lambda _, name=name: Method(name, lambda _: Prototype(), embed)) for name in "ab")
    one = setting(tmp_path)
    compete(Contender(None, ways), QUESTIONS, one)
    assert seen == [int((one.snr_db[torch.cat([one.plan.support, one.plan.query])] == snr).sum()) for snr in (0, 10)]
    before = {(r.metric, r.snr_db, r.shots): r.value for r in rows(tmp_path)}
    compete(Contender(None, (way("a"),)), QUESTIONS, setting(tmp_path / "again"))
    assert {(r.metric, r.snr_db, r.shots): r.value for r in rows(tmp_path / "again")} == before


def test_all_snrs_together_are_asked_only_of_one_encoder_and_in_one_episode(tmp_path: Path) -> None:
    one, seen = setting(tmp_path), []

    def note(record: Any, drawn: Any, methods: Any) -> Any:
        for support, query in drawn.values():
            seen.append({float(snr) for snr in one.snr_db[record["index"][torch.cat([support, query])]]})
        return score(record, drawn, methods)

    score = contest.score
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contest, "score", note)
        compete(Contender(None, (way("a"),)), replace(QUESTIONS, shots=(2,)), one)
    assert seen == 3 * [{0.0}] + 3 * [{10.0}] + 3 * [{0.0, 10.0}]
    mixed = [r for r in rows(tmp_path) if r.snr_db is None]
    assert [r.config["mixed_db"] for r in mixed] == [[0.0, 10.0]] * 2
    apart = Contender(replace(HOW, per_snr=True, batch_size=1), (way("b"),))
    compete(apart, QUESTIONS, one)
    assert {r.snr_db for r in rows(tmp_path) if r.method == "b"} == {0.0, 10.0}


def test_a_stopped_contest_goes_on_at_the_missing_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []
    ask = contest._ask

    def stopping(method: Method, cells: Any, *rest: Any) -> None:
        asked.append((method.name, cells[0].snr_db, cells[0].shots))
        if len(asked) == 4:
            raise KeyboardInterrupt
        ask(method, cells, *rest)

    monkeypatch.setattr(contest, "_ask", stopping)
    both = Contender(None, (way("a"), way("b")))
    with pytest.raises(KeyboardInterrupt):
        compete(both, QUESTIONS, setting(tmp_path))
    before = rows(tmp_path)
    assert len(before) == 6
    compete(both, QUESTIONS, setting(tmp_path))
    assert asked[3] == asked[4], "the cell that was stopped is asked again"
    assert len(asked) == 13
    assert len(set(asked)) == 12
    assert rows(tmp_path)[:6] == before
    assert len(rows(tmp_path)) == 24
    compete(both, QUESTIONS, setting(tmp_path))
    assert len(asked) == 13


def test_an_encoder_is_pretrained_once_per_snr_or_once_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[tuple[Path, torch.Tensor]] = []

    def pretrain(source: Hidden, *, indices: torch.Tensor, out: Path, contract: InputContract, **_: Any) -> Model:
        assert (source[indices]["label"] == -1).all()
        handed.append((out, indices))
        return Model.build("xcit", contract, {"dim": 16, "depth": 1, "patch": 4})

    monkeypatch.setattr(encoders, "pretrain", pretrain)
    joint = Contender(HOW, (Way("joint", {}, lambda m: Method("joint", lambda _: Prototype(), m.embed)),))
    own = replace(joint, pretraining=replace(HOW, per_snr=True), ways=(replace(joint.ways[0], name="own"),))
    for _ in range(2):
        for contender in (joint, own):
            compete(contender, QUESTIONS, setting(tmp_path))
    one = setting(tmp_path)
    assert [list(out.relative_to(tmp_path / "runs").parts[:2]) for out, _ in handed] == [
        ["simclr-xcit", "all"],
        ["simclr-xcit", "+0dB"],
        ["simclr-xcit", "+10dB"],
    ]
    assert handed[0][1].equal(one.plan.pretraining)
    assert handed[1][1].equal(one.plan.pretraining[one.snr_db[one.plan.pretraining] == 0])
    assert len({out for out, _ in handed}) == 3


def test_labels_are_told_only_to_who_may_know_them() -> None:
    everything = torch.arange(NUM)
    assert (Hidden(source(), ())[everything]["label"] == -1).all()
    told = Hidden(source(), (0, 2))
    assert told.classes == ["a", "c"]
    expected = torch.tensor([0, -1, 1])[source().labels]
    assert told[everything]["label"].equal(expected)


def test_a_pretraining_that_fails_is_told_in_each_of_its_cells_and_stops_no_other(tmp_path: Path) -> None:
    for contender in (Contender(replace(HOW, batch_size=1), (way("a"),)), Contender(None, (way("b"),))):
        compete(contender, QUESTIONS, setting(tmp_path))
    failed = [r for r in rows(tmp_path) if r.method == "a"]
    assert len(failed) == 12
    assert all(r.failed and r.failed.startswith("pretraining: got a batch size of 1") for r in failed)
    assert all(r.failed is None for r in rows(tmp_path) if r.method == "b")


def broken(_: Any) -> Any:
    raise ValueError("no such layer")


@pytest.mark.parametrize("where", ["method", "features", "whitening"])
@pytest.mark.parametrize("door", [compete, efficiency])
def test_what_fails_before_the_first_answer_stops_no_other(
    door: Any, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = {
        "method": replace(way("a"), method=broken),
        "features": replace(way("a"), method=lambda _: Method("a", lambda _: Prototype(), broken)),
        "whitening": replace(way("a"), white=True),
    }[where]
    monkeypatch.setattr(contest, "whitened", lambda *_, **__: broken(None))
    asked = QUESTIONS if door is compete else Labels((1,), (0.0, 10.0))
    here = setting(tmp_path)
    encoded = where == "whitening"
    door(Contender(HOW, (fails,)) if encoded else Contender(None, (fails, way("b"))), asked, here)
    door(Contender(None, (way("c"),)), asked, here)
    failed = {row.method: row.failed is not None for row in rows(tmp_path)}
    assert failed == {"a": True, "c": False} | ({} if encoded else {"b": False})
    assert all("no such layer" in row.failed for row in rows(tmp_path) if row.failed)


def test_an_encoder_takes_part_end_to_end(tmp_path: Path) -> None:
    encoder = Contender(HOW, (Way("simclr", {}, lambda m: Method("simclr", lambda _: Prototype(), m.embed)),))
    compete(encoder, replace(QUESTIONS, shots=(2,)), setting(tmp_path))
    assert all(r.failed is None for r in rows(tmp_path))
    assert rows(tmp_path)[0].config["pretraining"]["objective"] == "simclr"


def test_label_efficiency_has_all_snrs_and_each_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, labels = Contender(None, (way("a"),)), Labels((1, 3, None), (0.0, 10.0))
    efficiency(one, labels, setting(tmp_path))
    found = {(r.shots, r.snr_db): r for r in rows(tmp_path)}
    assert found.keys() == {(n, snr) for n in (1, 3, None) for snr in (None, 0.0, 10.0)}
    assert found[3, None].n == found[3, 0.0].n + found[3, 10.0].n
    assert found[3, None].split_hash != found[1, None].split_hash
    assert found[None, None].value > 0.9
    kept = rows(tmp_path)
    (tmp_path / "p.jsonl").write_text("\n".join((tmp_path / "p.jsonl").read_text().split("\n")[:4]) + "\n")
    efficiency(one, labels, setting(tmp_path))
    again = rows(tmp_path)
    assert len(again) == len(kept)
    assert {(r.shots, r.snr_db, r.value) for r in again} == {(r.shots, r.snr_db, r.value) for r in kept}


class Listens(Prototype):
    """Notes the unlabelled features that it is given."""

    heard: list[torch.Tensor]

    def fit(self, support: Any) -> "Listens":
        self.heard.append(support["unlabelled"])
        super().fit(support)
        return self


def test_an_unlabelled_way_gets_what_was_there_to_pretrain_on_at_that_snr(tmp_path: Path) -> None:
    one, heard = setting(tmp_path), []
    Listens.heard = heard
    listens = Way("a", {}, lambda _: Method("a", lambda _: Listens(), spectra), 1, unlabelled=True)
    compete(Contender(None, (listens,)), replace(QUESTIONS, shots=(1,)), one)
    rows_at = {snr: one.plan.pretraining[one.snr_db[one.plan.pretraining] == snr] for snr in (0.0, 10.0)}
    for found, rows_there in zip(heard, (*rows_at.values(), one.plan.pretraining), strict=True):
        expected = spectra(one.source[rows_there]["iq"])
        assert len(found) == len(expected)
        torch.testing.assert_close(found.sum(dim=0), expected.sum(dim=0))


def test_an_unlabelled_way_is_not_asked_about_classes_that_pretraining_did_not_hold(tmp_path: Path) -> None:
    one = setting(tmp_path)
    new = replace(one.plan, classes=(1, 2), known=(0,))
    ways = (way("a"), replace(way("b"), unlabelled=True))
    compete(Contender(None, ways), QUESTIONS, replace(one, plan=new))
    assert {row.method for row in rows(tmp_path)} == {"a"}
