"""New domains: who is held out, who lends labels, and that nobody is asked who lent."""

from pathlib import Path

import pytest
import torch

from groundwave.adapt.discriminant import LDA
from groundwave.bench.cells import Sheet
from groundwave.bench.domains import Approach, Domains, Fold, contest, leave_out, lend, planned
from groundwave.bench.rows import read
from groundwave.errors import ContractError, SplitError


def domains(num_rooms: int = 2, num_groups: int = 4, each: int = 6) -> Domains:
    """Return records whose first gain tells the class; the room shifts all of them."""
    room = torch.arange(num_rooms).repeat_interleave(num_groups * each)
    group = torch.arange(num_rooms * num_groups).repeat_interleave(each)
    label = torch.arange(len(room)) % 2
    csi = torch.randn(len(room), 1, 1, 2, generator=torch.Generator().manual_seed(0)) * 0.1
    csi[:, 0, 0, 0] += label + 5 * room
    record = {"csi": csi.to(torch.complex64), "label": label}
    return Domains("made up", record, ("sit", "walk"), group, room)


def test_every_value_is_left_out_once_or_only_one_is_known() -> None:
    column = torch.tensor([0, 2, 2, 5])
    folds = list(leave_out(column, "room"))
    assert [(f.held_out, f.known.tolist(), f.new.tolist()) for f in folds] == [
        ("room 0", [1, 2, 3], [0]),
        ("room 2", [0, 3], [1, 2]),
        ("room 5", [0, 1, 2], [3]),
    ]
    later = list(leave_out(column, "room", only=0))
    assert [(f.known.tolist(), f.new.tolist()) for f in later] == [([0], [1, 2]), ([0], [3])]


@pytest.mark.parametrize(("column", "only"), [(torch.tensor([1, 1]), None), (torch.tensor([0, 1]), 7)])
def test_what_cannot_be_left_out_is_refused(column: torch.Tensor, only: int | None) -> None:
    with pytest.raises(SplitError, match="column `room`"):
        list(leave_out(column, "room", only))


def test_groups_lend_or_are_asked_and_more_labels_hold_the_fewer() -> None:
    known = domains()
    fold = next(leave_out(known.domain, "room"))
    few, asked = lend(fold, known, 1, seed=0)
    more, same = lend(fold, known, 3, seed=0)
    assert asked.equal(same)
    assert set(few.tolist()) < set(more.tolist())
    assert known.record["label"][few].tolist().count(0) == 1
    assert not torch.isin(known.group[asked], known.group[more]).any()
    assert not lend(fold, known, 1, seed=1)[0].equal(few)


def test_one_group_alone_lends_nothing() -> None:
    known = domains(num_groups=1)
    with pytest.raises(SplitError, match="1 groups in room 0"):
        lend(next(leave_out(known.domain, "room")), known, 1, seed=0)


def test_a_group_on_both_sides_is_refused() -> None:
    known = domains()
    fold = Fold("room 0", torch.arange(24, 48), torch.arange(24))
    with pytest.raises(SplitError, match="split by group"):
        planned(fold, torch.tensor([0]), torch.arange(1, 24), known)


def test_alignment_finds_the_classes_of_a_room_that_is_elsewhere_and_rows_tell_all(tmp_path: Path) -> None:
    ways = [
        Approach(name, lambda csi: csi.real.flatten(1), lambda _: LDA(), align, {"align": align}, not align)
        for name, align in (("as it is", False), ("aligned", True))
    ]
    known, path = domains(), tmp_path / "p.jsonl"

    def run() -> None:
        folds = list(leave_out(known.domain, "room"))
        contest(ways, folds, known, sheet=Sheet(path, "p"), shots=(0, 2), seeds=(0, 1), config={"of": "us"})

    run()
    rows = read(path)
    found = {(r.method, r.shots, r.config["held_out"]): r.value for r in rows if r.metric == "accuracy" and r.seed == 0}
    assert found["aligned", 0, "room 0"] == found["aligned", 0, "room 1"] == 1
    assert found["as it is", 0, "room 1"] == 0.5
    recalls = {"recall of sit", "recall of walk"}
    assert {r.metric for r in rows if r.method == "aligned" or r.shots} == {"accuracy", *recalls}
    for room in (0, 1):
        told = [r for r in rows if (r.method, r.shots, r.config["held_out"]) == ("as it is", 0, f"room {room}")]
        wrong = {r.metric for r in told} - {"accuracy", *recalls}
        assert len(wrong) == 1  # half of the records, all of one class, are taken for the other
        assert wrong <= {"sit as walk", "walk as sit"}
        assert sum(r.value for r in told if r.metric != "accuracy" and r.value is not None) == 2
    assert len([r for r in rows if r.metric == "accuracy"]) == 2 * 2 * 3  # without labels there is one seed
    run()
    assert len(read(path)) == len(rows)


def test_features_that_fail_stop_no_other_approach(tmp_path: Path) -> None:
    def refuse(csi: torch.Tensor) -> torch.Tensor:
        raise ContractError("2 antennas", "1", "choose another model")

    looks = (("other antennas", refuse), ("as it is", lambda csi: csi.real.flatten(1)))
    ways = [Approach(name, look, lambda _: LDA(), False, {}) for name, look in looks]
    known, path = domains(), tmp_path / "p.jsonl"
    folds = list(leave_out(known.domain, "room"))
    contest(ways, folds, known, sheet=Sheet(path, "p"), shots=(0,), seeds=(0,), config={})
    failed = {(r.method, r.config["held_out"]): r.failed for r in read(path) if r.metric == "accuracy"}
    assert [bool(why and "2 antennas" in why) for why in failed.values()] == [True, True, False, False]
