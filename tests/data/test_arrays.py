"""Stores that hold more than IQ and columns, or no IQ at all; groups that have numbers only."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from fake.records import records

from groundwave.contracts import Record
from groundwave.data import part, writer
from groundwave.data.ingest import ingest
from groundwave.data.manifest import Array
from groundwave.data.store import Store
from groundwave.errors import DataError
from groundwave.rng import generator

ARRAYS = {
    "spec": Array("float32", (16, 8)),
    "mask": Array("uint8", (16, 8)),
    "boxes": Array("float64", (3, 4)),
    "box_label": Array("int64", (3,)),
    "taps": Array("complex64", (5,)),
    "loud": Array("bool", (2,)),
}


def full(count: int) -> Record:
    draw = generator(0, "arrays")
    made = {name: torch.randn((count, *array.shape), generator=draw) for name, array in ARRAYS.items()}
    made["taps"] = torch.complex(made["taps"], made["taps"] ** 2)
    made["boxes"][::2] = torch.nan  # what is missing stays missing
    typed = {name: (9 * values).to(getattr(torch, ARRAYS[name].dtype)) for name, values in made.items()}
    return {**records(count), **typed, "group": 5 * torch.arange(count)}


@pytest.mark.parametrize("with_iq", [True, False])
def test_arrays_come_back_exactly_in_any_order(tmp_path: Path, with_iq: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "PART_BYTES", 1)
    monkeypatch.setattr(part, "CHUNK_BYTES", 16 * 8 * 4 * 7)  # seven records of the largest array
    wanted = full(40)
    made = Store.create(
        tmp_path / "s", classes=["a", "b"], num_samples=64 if with_iq else None, dtype="float32", arrays=ARRAYS
    )
    with made.appender() as appender:
        for rows in torch.arange(40).split(9):
            appender.add({name: values[rows] for name, values in wanted.items()})
    store = Store.open(tmp_path / "s")
    store.verify()
    assert [part.num_records for part in store.manifest.parts] == [7, 7, 7, 7, 7, 5]
    order = torch.randperm(40, generator=generator(1))
    got = store[order]
    assert ("iq" in got) == with_iq
    for name in (*ARRAYS, "label", "snr_db", *(["iq"] if with_iq else [])):
        assert got[name].dtype == wanted[name].dtype
        torch.testing.assert_close(got[name], wanted[name][order], rtol=0, atol=0, equal_nan=True)
    assert store[torch.arange(0)]["mask"].shape == (0, 16, 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask": torch.zeros(4, 8, 16)}, r"mask of shape \[4, 8, 16\].*expected \[B, 16, 8\]"),
        ({"mask": None}, r"mask of shape \[0\]"),
        ({"mask": torch.zeros(3, 16, 8)}, r"mask values of shape \[3, 16, 8\] for 4 records"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    store = Store.create(tmp_path / "s", classes=["a", "b"], num_samples=None, arrays=ARRAYS)
    record = {name: values for name, values in {**full(4), **change}.items() if values is not None}
    with pytest.raises(DataError, match=message):
        store.append(record)


def test_a_store_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="store of nothing"):
        Store.create(tmp_path / "s", classes=[], num_samples=None)


@pytest.mark.parametrize(
    "arrays", [[], {"mask": 5}, {"mask": {"dtype": "uint8"}}, {"mask": {"dtype": "object", "shape": [16, 8]}}, {}]
)
def test_a_manifest_of_other_arrays_is_refused_at_open(tmp_path: Path, arrays: object) -> None:
    Store.create(tmp_path / "s", classes=["a", "b"], num_samples=None, arrays=ARRAYS).append(full(4))
    path = tmp_path / "s" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "arrays": arrays}))
    with pytest.raises(DataError, match="restore it from a copy"):
        Store.open(tmp_path / "s")


def test_a_manifest_from_before_there_were_arrays_is_read(tmp_path: Path) -> None:
    Store.create(tmp_path / "s", classes=["a", "b"], num_samples=64).append(records(4))
    path = tmp_path / "s" / "manifest.json"
    content = json.loads(path.read_text())
    del content["arrays"]
    path.write_text(json.dumps(content))
    assert len(Store.open(tmp_path / "s")) == 4


def test_without_iq_it_cannot_be_ingested(tmp_path: Path) -> None:
    Store.create(tmp_path / "s", classes=["a", "b"], num_samples=None, arrays=ARRAYS).append(full(4))
    with pytest.raises(DataError, match=r"store of spec, mask.*a store of IQ"):
        ingest([tmp_path / "s"], tmp_path / "out")


def test_numbered_groups_are_named_by_their_number(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "s", classes=["a", "b"], num_samples=64, numbered_groups=True)
    assert len(store.group_names) == 0
    store.append(full(4))
    again = Store.open(store.path)
    assert again.groups.tolist() == [0, 5, 10, 15]
    assert len(again.group_names) == 16
    assert [again.group_names[group] for group in again.groups.tolist()] == ["0", "5", "10", "15"]
    assert again.group_names[14:] == ["14", "15"]
    with pytest.raises(DataError, match="names of groups"):
        again.append(full(2), groups=["x", "y"])
