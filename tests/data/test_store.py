"""The store: what goes in comes out, and nothing that goes wrong costs what was there."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from fake.records import no_space, records
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundwave.contracts import Source
from groundwave.data import part, writer
from groundwave.data.manifest import Manifest
from groundwave.data.store import Store
from groundwave.errors import DataError, OutputExistsError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store.create(tmp_path / "store", classes=["a", "b"], num_samples=64)
    made.append(records(10), groups=[f"g{i % 3}" for i in range(10)], source={"path": "x", "sha256": "0"})
    return made


def assert_holds_first_ten(path: Path) -> None:
    store = Store.open(path)
    store.verify()
    assert len(store) == 10
    torch.testing.assert_close(store[torch.arange(10)]["iq"], records(10)["iq"], atol=1e-3, rtol=0)
    assert {p.name for p in path.iterdir()} == {"manifest.json", "part-00000.zarr", ".lock"}


@pytest.mark.parametrize("dtype", ["int16", "float32"])
@pytest.mark.parametrize("antennas", [None, 1, 3])
def test_round_trip(tmp_path: Path, dtype: str, antennas: int | None) -> None:
    wanted = records(20, antennas=antennas) | {"extra_db": torch.linspace(0, 1, 20)}
    made = Store.create(
        tmp_path / "s", classes=["a", "b"], num_samples=64, num_antennas=antennas, dtype=dtype, extra=["extra_db"]
    )
    made.append(wanted, groups=["x", None] * 10)
    store = Store.open(tmp_path / "s")
    order = torch.tensor([19, 0, 7, 7])
    got = store[order]
    peak = torch.view_as_real(wanted["iq"]).abs().max()
    torch.testing.assert_close(got["iq"], wanted["iq"][order], atol=float(peak) * 2e-5 * (dtype == "int16"), rtol=0)
    for name in ("label", "snr_db", "sample_rate_hz", "extra_db"):
        torch.testing.assert_close(got[name], wanted[name][order])
    torch.testing.assert_close(got["group"], torch.tensor([-1, 0, -1, -1]))
    torch.testing.assert_close(got["index"], order)
    assert isinstance(store, Source)
    assert store.classes == ("a", "b")
    assert store.group_names == ("x",)
    assert store[torch.arange(0)]["iq"].shape == wanted["iq"][:0].shape


def test_defaults_are_unknown(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "s", classes=[], num_samples=8, sample_rate_hz=5.0)
    store.append({"iq": torch.zeros(2, 8, dtype=torch.complex64)})
    got = store[torch.arange(2)]
    assert got["label"].tolist() == got["group"].tolist() == [-1, -1]
    assert got["snr_db"].isnan().all()
    assert got["sample_rate_hz"].tolist() == [5.0, 5.0]
    torch.testing.assert_close(got["iq"], torch.zeros(2, 8, dtype=torch.complex64))


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(0, 40), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_any_batching_gives_the_same_records(tmp_path: Path, sizes: list[int], seed: int) -> None:
    shutil.rmtree(tmp_path / "s", ignore_errors=True)
    wanted = records(sum(sizes), 16)
    store = Store.create(tmp_path / "s", classes=["a", "b"], num_samples=16, dtype="float32")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "PART_BYTES", 1)  # many parts: one chunk each
        patch.setattr(part, "CHUNK_BYTES", 16 * 8 * 20)
        with store.appender() as appender:
            for rows in torch.arange(sum(sizes)).split(sizes):
                appender.add({name: values[rows] for name, values in wanted.items()})
        order = torch.randperm(len(store), generator=torch.Generator().manual_seed(seed))
        torch.testing.assert_close(Store.open(tmp_path / "s")[order]["iq"], wanted["iq"][order], atol=0, rtol=0)


def test_appends_share_groups_and_keep_sources(store: Store) -> None:
    store.append(records(4), groups=["g2", "new", "g0", "new"], source={"path": "y"})
    again = Store.open(store.path)
    assert again.group_names == ("g0", "g1", "g2", "new")
    assert again.groups[10:].tolist() == [2, 3, 0, 3]
    assert [source["path"] for source in again.manifest.sources] == ["x", "y"]
    assert [file.sha256 for p in again.manifest.parts for file in p.files]


def test_small_batches_make_one_part(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "s", classes=["a", "b"], num_samples=64)
    with store.appender() as appender:
        for _ in range(50):
            appender.add(records(3))
    assert [p.num_records for p in store.manifest.parts] == [150]


def test_create_refuses_what_exists(store: Store) -> None:
    with pytest.raises(OutputExistsError, match="already exists"):
        Store.create(store.path, classes=[], num_samples=1)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_append_leaves_the_old_store(store: Store, interruption: type[BaseException]) -> None:
    def interrupted() -> None:
        with store.appender() as appender:
            appender.add(records(5))
            raise interruption

    with pytest.raises(interruption):
        interrupted()
    assert_holds_first_ten(store.path)


@pytest.mark.parametrize("where", ["write", "manifest"])
def test_a_full_disk_leaves_the_old_store(store: Store, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if where == "write":
        real = part.write

        def half(folder: Path, *args: object) -> None:
            real(folder, *args)
            no_space()

        monkeypatch.setattr(part, "write", half)
    else:
        monkeypatch.setattr(Manifest, "save", no_space)
    with pytest.raises(DataError, match=r"no space left.*free some space"):
        store.append(records(5))
    monkeypatch.undo()
    assert_holds_first_ten(store.path)


def test_a_crash_between_part_and_manifest_is_swept(store: Store) -> None:
    shutil.copytree(store.path / "part-00000.zarr", store.path / "part-00001.zarr")
    shutil.copytree(store.path / "part-00000.zarr", store.path / ".part-00002.zarr.abcd")
    assert len(Store.open(store.path)) == 10
    store.append(records(5))
    assert len(Store.open(store.path)) == 15
    assert sorted(p.name for p in store.path.glob("*part*")) == ["part-00000.zarr", "part-00001.zarr"]


def test_a_second_writer_is_refused(store: Store) -> None:
    with store.appender(), pytest.raises(DataError, match="another process"):
        Store.open(store.path).append(records(1))


def shard(store: Store) -> Path:
    return next(path for path in (store.path / "part-00000.zarr" / "iq" / "c").rglob("*") if path.is_file())


def test_a_missing_shard_is_told_when_opening(store: Store) -> None:
    shard(store).unlink()
    with pytest.raises(DataError, match=r"iq/c.*missing.*restore"):
        Store.open(store.path)


def test_a_shortened_shard_is_told_when_opening(store: Store) -> None:
    shard(store).write_bytes(shard(store).read_bytes()[:-1])
    with pytest.raises(DataError, match="bytes instead of"):
        Store.open(store.path)


def test_a_damaged_shard_is_told_when_read_and_verified(store: Store) -> None:
    content = bytearray(shard(store).read_bytes())
    content[7] ^= 0xFF
    shard(store).write_bytes(content)
    damaged = Store.open(store.path)
    with pytest.raises(DataError, match="damaged shard"):
        damaged[torch.arange(3)]
    with pytest.raises(DataError, match="content has changed"):
        damaged.verify()


def test_a_shard_lost_after_opening_is_not_read_as_silence(store: Store) -> None:
    opened = Store.open(store.path)
    shard(store).unlink()
    with pytest.raises(DataError, match="damaged shard"):
        opened[torch.arange(3)]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no manifest.json"), ("{", "cannot be understood"), ('{"format": 99}', "format 99"), ("[]", "understood")],
)
def test_a_bad_manifest_is_told(store: Store, content: str | None, message: str) -> None:
    manifest = store.path / "manifest.json"
    manifest.unlink()
    if content is not None:
        manifest.write_text(content)
    with pytest.raises(DataError, match=message):
        Store.open(store.path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("num_samples", value) for value in ("x", 0, -64, 63, 64.0, True, None)),
        *(("num_antennas", value) for value in ("x", 0, 1)),
        *(("dtype", value) for value in ("int7", "float32", 5, [])),
        *(("sample_rate_hz", value) for value in ("fast", 0)),
        *(("classes", value) for value in ("ab", ["a"], [1, 2], {})),
        *(("group_names", value) for value in (["g0"], [0, 1, 2])),
        *(("parts", value) for value in ({}, ["part"])),
        *(("parts.num_records", value) for value in ("x", 0, 9, 11)),
        *(("parts.name", value) for value in (5, "part-00001.zarr")),
        *(("parts.files", value) for value in ("x", [{"path": "x"}])),
        ("notes", []),
        ("extra", ["more"]),
        ("sources", "x"),
    ],
)
def test_a_manifest_of_other_types_or_values_is_refused_at_open(store: Store, field: str, value: object) -> None:
    path = store.path / "manifest.json"
    content = json.loads(path.read_text())
    part, _, name = field.rpartition(".")
    (content["parts"][0] if part else content)[name] = value
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="restore it from a copy"):
        Store.open(store.path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"iq": torch.zeros(4, 63, dtype=torch.complex64)}, "expected complex"),
        ({"iq": torch.zeros(4, 64)}, "expected complex"),
        ({"label": torch.tensor([0, 1])}, r"label values of shape \[2\] for 4 records"),
        ({"label": torch.tensor([0, 1, 2, 0])}, "labels from 0 to 2"),
        ({"iq": torch.full((4, 64), complex(0, np.inf))}, "NaN or infinite"),
        ({"iq": torch.full((4, 64), complex(np.nan, 0))}, "NaN or infinite"),
    ],
)
def test_what_does_not_fit_is_refused(store: Store, change: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(DataError, match=message):
        store.append(records(4) | change)
    assert_holds_first_ten(store.path)


def test_groups_of_another_length_are_refused(store: Store) -> None:
    with pytest.raises(DataError, match=r"group values of shape \[3\] for 4 records"):
        store.append(records(4), groups=["a", "b", "c"])


def test_rows_out_of_range_are_refused(store: Store) -> None:
    with pytest.raises(IndexError):
        store[torch.tensor([10])]
