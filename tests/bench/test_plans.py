"""Plans part rows by what they are for, and a plan that leaks is refused."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from groundwave.bench.plans import Plan, alike, check_plan, draw_from_cells, part_classes, split_cells
from groundwave.data.sources import Records
from groundwave.errors import SplitError

NUM = 240


def source() -> Records:
    """Return records of three classes at two SNRs, in groups of four."""
    row = torch.arange(NUM)
    record = {"iq": torch.zeros(NUM, 8, dtype=torch.complex64), "label": row // 4 % 3, "group": row // 4}
    return Records(record, classes=["a", "b", "c"], group_names=[str(g) for g in range(NUM // 4)])


def snrs() -> Tensor:
    return (torch.arange(NUM) // 12 % 2).float() * 10


def plan() -> Plan:
    parts = split_cells(
        source(), {"train": 0.5, "validation": 0.25, "test": 0.25}, seed=0, snr_db=snrs(), classes=[0, 1, 2]
    )
    support = draw_from_cells(parts["train"], source().labels, snrs(), 3, seed=0)
    rest = parts["train"][~torch.isin(parts["train"], support)]
    return Plan("test", rest, support, parts["test"], parts["validation"], (0, 1, 2), (0, 1, 2))


def test_cells_are_dealt_by_group_and_in_the_stated_shares() -> None:
    parts = split_cells(source(), {"train": 0.5, "test": 0.5}, seed=0, snr_db=snrs(), classes=[0, 1, 2])
    assert torch.cat(list(parts.values())).sort().values.equal(torch.arange(NUM))
    assert not torch.isin(source().groups[parts["test"]], source().groups[parts["train"]]).any()
    for snr in (0.0, 10.0):
        for label in range(3):
            cell = (snrs() == snr) & (source().labels == label)
            assert cell[parts["train"]].sum() == cell[parts["test"]].sum() == NUM // 12


def test_classes_that_are_not_named_are_left_out() -> None:
    parts = split_cells(source(), {"support": 0.5, "query": 0.5}, seed=0, snr_db=snrs(), classes=[0, 2])
    assert set(source().labels[torch.cat(list(parts.values()))].tolist()) == {0, 2}


def test_labels_are_drawn_from_each_cell_and_fewer_are_among_more() -> None:
    rows = torch.arange(NUM)
    few, more = (draw_from_cells(rows, source().labels, snrs(), n, seed=1) for n in (2, 7))
    assert torch.isin(few, more).all()
    for snr in (0.0, 10.0):
        for label in range(3):
            assert ((snrs()[more] == snr) & (source().labels[more] == label)).sum() == 7
    assert not few.equal(draw_from_cells(rows, source().labels, snrs(), 2, seed=2))
    with pytest.raises(SplitError, match="got 40 records of class 0 at 0 dB for 41 labels"):
        draw_from_cells(rows, source().labels, snrs(), 41, seed=1)


def test_an_honest_plan_passes() -> None:
    assert check_plan(plan(), source().groups) is not None


@pytest.mark.parametrize("seen", ["pretraining", "support"])
@pytest.mark.parametrize("asked", ["query", "validation"])
def test_a_neighbour_of_what_is_asked_is_caught(seen: str, asked: str) -> None:
    honest = plan()
    rows = getattr(honest, asked)
    neighbour = (source().groups == source().groups[rows[0]]).nonzero()[1]  # another record of the same group
    leaking = replace(honest, **{seen: torch.cat([getattr(honest, seen), neighbour]), asked: rows[:1]})
    with pytest.raises(SplitError, match=f"got 1 of 1 {asked} records of groups that {seen} holds, too"):
        check_plan(leaking, source().groups)


def test_labels_may_be_seen_only_where_the_plan_says_so() -> None:
    honest = plan()
    seen = replace(honest, pretraining=torch.cat([honest.pretraining, honest.support[:1]]))
    with pytest.raises(SplitError, match="1 of 18 support records"):
        check_plan(seen, source().groups)
    check_plan(replace(seen, support_seen=True), source().groups)


def test_the_hash_of_a_plan_tells_one_moved_record() -> None:
    honest = plan()
    moved = replace(
        honest, pretraining=honest.pretraining[:-1], support=torch.cat([honest.support, honest.pretraining[-1:]])
    )
    assert honest.hash() == plan().hash() != moved.hash()


def test_classes_are_parted_otherwise_by_each_seed() -> None:
    splits = {part_classes(11, 6, seed) for seed in range(20)}
    assert len(splits) > 15
    for known, new in splits:
        assert len(known) == 6
        assert sorted(known + new) == list(range(11))


def test_pairs_that_are_hard_to_tell_apart_are_named() -> None:
    assert alike(["BPSK", "QAM16", "QAM64", "WBFM"]) == ["QAM16-QAM64"]
    assert alike(["AM-DSB", "QAM16", "WBFM"]) == ["AM-DSB-WBFM"]
    assert alike(["AM-DSB", "QAM16"]) == []
