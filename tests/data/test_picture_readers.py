"""Pictures from disk: what was written comes back, in metres; what does not belong together is refused by name."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from fake import pictures as fake
from fake.csi import write_mat73

from groundwave.contract import DepthContract, RGBContract
from groundwave.contract.image import check_paired
from groundwave.data import open_source
from groundwave.data.ingest import ingest
from groundwave.data.nyu_depth import FREQUENT, official_split, open_nyu_depth_v2
from groundwave.data.picture_pairs import open_picture_pairs
from groundwave.data.pictures import shrunk
from groundwave.errors import ContractError, DataError, UnknownNameError

SIZE = {"height": 12, "width": 16}
TYPES, SCENES = ("kitchen", "cafe", "kitchen", "study"), ("kitchen_0002", "cafe_0001", "kitchen_0001", "study_0001")
ALL = torch.arange(4)


def nyu(folder: Path, **more: np.ndarray) -> Path:
    return fake.write_nyu(folder / "nyu_depth_v2_labeled.mat", *fake.rooms(4), TYPES, SCENES, **more)


def test_nyu_comes_back_with_ten_classes_and_its_scenes(tmp_path: Path) -> None:
    source = open_source(nyu(tmp_path), format="nyu-depth-v2", **SIZE)
    assert len(source.classes) == 10
    assert [source.classes[code] for code in source.labels.tolist()] == ["kitchen", "others", "kitchen", "others"]
    assert [source.group_names[code] for code in source.groups.tolist()] == list(SCENES)
    colours, depths = fake.rooms(4)
    record = source[torch.tensor([3, 1])]
    torch.testing.assert_close(record["rgb"], torch.tensor(colours[[3, 1]]).movedim(-1, 1) / 255)
    torch.testing.assert_close(record["depth"][:, 0], torch.tensor(depths[[3, 1]]).float())
    check_paired(record)


def test_a_smaller_picture_is_the_mean_of_its_pixels(tmp_path: Path) -> None:
    record = open_nyu_depth_v2(nyu(tmp_path), height=6, width=8)[ALL]
    colours, depths = fake.rooms(4)
    wanted = colours.reshape(4, 6, 2, 8, 2, 3).mean((2, 4)) / 255
    torch.testing.assert_close(record["rgb"], torch.tensor(wanted).movedim(-1, 1).float())
    torch.testing.assert_close(record["depth"][:, 0], torch.tensor(depths.reshape(4, 6, 2, 8, 2).mean((2, 4))).float())


def test_other_proportions_lose_the_edges_and_holes_do_not_count() -> None:
    x = torch.arange(24.0).reshape(1, 4, 6)
    x[0, 0, 1] = torch.nan
    torch.testing.assert_close(shrunk(x, (4, 4)), x[..., 1:5], equal_nan=True)
    halved = shrunk(x, (2, 2))
    assert halved[0, 0, 0] == (2 + 7 + 8) / 3
    assert halved[0, 1, 1] == (15 + 16 + 21 + 22) / 4


def test_the_official_split_counts_from_one_and_is_checked(tmp_path: Path) -> None:
    split = official_split(fake.write_splits(tmp_path / "splits.mat", [4, 1], [2, 3]), 4)
    assert {name: rows.tolist() for name, rows in split.items()} == {"train": [0, 3], "test": [1, 2]}
    for train, test in (([1, 2], [2, 3]), ([0], [1]), ([1], [5])):
        with pytest.raises(DataError, match="the split that belongs"):
            official_split(fake.write_splits(tmp_path / "splits.mat", train, test), 4)
    with pytest.raises(UnknownNameError):
        official_split(nyu(tmp_path), 4)


def test_a_mat_that_is_not_the_labelled_set_is_refused(tmp_path: Path) -> None:
    colours, depths = fake.rooms(4)
    for number, arrays in enumerate(({"depths": depths}, {"images": colours, "depths": depths}, {"x": depths})):
        with pytest.raises(DataError, match="take the labelled set"):
            open_nyu_depth_v2(write_mat73(tmp_path / f"{number}.mat", **arrays))
    (tmp_path / "old.mat").write_bytes(b"MATLAB 5.0 MAT-file")
    with pytest.raises(DataError, match=r"old\.mat"):
        open_nyu_depth_v2(tmp_path / "old.mat")


def test_what_is_kept_in_another_file_is_refused(tmp_path: Path) -> None:
    path = nyu(tmp_path)
    with h5py.File(path, "r+") as file:
        file.move("images", "elsewhere")
        file["images"] = h5py.SoftLink("/elsewhere")
    with pytest.raises(DataError, match="labelled set"):
        open_nyu_depth_v2(path)


def test_missing_depths_are_told_and_can_be_filled(tmp_path: Path) -> None:
    colours, depths = fake.rooms(4)
    depths[2, 3:5, 6] = 0
    path = fake.write_nyu(tmp_path / "nyu_depth_v2_labeled.mat", colours, depths, TYPES, SCENES)
    holed, filled = (open_nyu_depth_v2(path, fill=fill, **SIZE)[ALL] for fill in (False, True))
    assert int(holed["depth"].isnan().sum()) == 2
    with pytest.raises(ContractError, match=r"no depth at 1.0% of the pixels of record 2"):
        DepthContract().prepare(holed)
    assert DepthContract().prepare(filled).isfinite().all()
    known = ~holed["depth"].isnan()
    torch.testing.assert_close(filled["depth"][known], holed["depth"][known], rtol=0, atol=0)
    around = torch.tensor(depths[2, 2:4, 5:8]).float()
    wanted = torch.cat([around[0], around[1, [0, 2]], torch.tensor(depths[2, 4, [5, 7]]).float()]).mean()
    torch.testing.assert_close(filled["depth"][2, 0, 3, 6], wanted)


def test_pairs_are_found_by_their_names_in_folders_of_classes(tmp_path: Path) -> None:
    root = fake.write_pairs(tmp_path / "in")
    (root / "attic" / "notes.txt").write_text("no picture")
    source = open_picture_pairs(root, **SIZE)
    assert source.classes == ("attic", "hall")
    assert source.group_names == ("attic/02_rgb", "attic/03_rgb", "hall/00_rgb", "hall/01_rgb")
    colours, depths = fake.rooms(4)
    record = source[torch.tensor([2])]
    torch.testing.assert_close(record["rgb"][0], torch.tensor(colours[0]).movedim(-1, 0) / 255)
    torch.testing.assert_close(record["depth"][0, 0], torch.tensor(depths[0]).float(), atol=6e-4, rtol=0)
    assert open_picture_pairs(root, group="folder", **SIZE).groups.tolist() == [0, 0, 1, 1]
    alone = open_picture_pairs(root / "hall" / "01_rgb.png", **SIZE)
    torch.testing.assert_close(alone[torch.tensor([0])]["rgb"], source[torch.tensor([3])]["rgb"])


def test_pairs_go_into_a_store(tmp_path: Path) -> None:
    root = fake.write_pairs(tmp_path / "in")
    store = ingest([root], tmp_path / "out", format="picture-pairs")
    assert (list(store.classes), store.labels.tolist()) == (["attic", "hall"], [0, 0, 1, 1])
    wanted = open_picture_pairs(root)[ALL]
    for key in ("rgb", "depth"):
        torch.testing.assert_close(store[ALL][key], wanted[key], rtol=0, atol=0)


def pair(folder: Path, counts: np.ndarray, rgb: np.ndarray | None = None) -> Path:
    rgb = np.zeros((*counts.shape[:2], 3), np.uint8) if rgb is None else rgb
    return fake.write_pair(folder / "a.color.png", folder / "a.depth.png", rgb, counts).parent


def test_depths_of_16_bits_are_millimetres_unless_told_otherwise(tmp_path: Path) -> None:
    counts = np.full((12, 16), 2500, np.uint16)
    counts[0, :2] = 0, 65535
    depth = open_picture_pairs(pair(tmp_path, counts), **SIZE)[torch.tensor([0])]["depth"][0, 0]
    assert depth[0, :2].isnan().all()
    torch.testing.assert_close(depth[1:], torch.full((11, 16), 2.5))
    finer = open_picture_pairs(tmp_path, metres_per_count=0.0002, **SIZE)[torch.tensor([0])]["depth"]
    assert float(finer[0, 0, 1, 0]) == pytest.approx(0.5)


def test_depths_of_8_bits_need_their_unit(tmp_path: Path) -> None:
    counts = np.full((12, 16), 200, np.uint8)
    counts[3, 3], counts[4, 4] = 0, 255
    source = open_picture_pairs(pair(tmp_path, counts), **SIZE)
    with pytest.raises(DataError, match=r"a.depth.png of 8 bits.*--reader.metres-per-count"):
        source[torch.tensor([0])]
    depth = open_picture_pairs(tmp_path, metres_per_count=0.02, **SIZE)[torch.tensor([0])]["depth"][0, 0]
    assert float(depth[0, 0]) == pytest.approx(4.0)
    assert depth[3, 3].isnan()
    assert float(depth[4, 4]) == pytest.approx(5.1)


def test_pictures_without_a_partner_are_named(tmp_path: Path) -> None:
    root = fake.write_pairs(tmp_path)
    (root / "hall" / "00_depth.png").unlink()
    (root / "attic" / "02_rgb.png").unlink()
    with pytest.raises(DataError, match=r"2 pictures without a partner: .*02_depth.png, .*00_rgb.png"):
        open_picture_pairs(root)
    with pytest.raises(DataError, match="without a partner"):
        open_picture_pairs(root / "hall" / "00_rgb.png")


def test_the_partner_of_one_picture_is_found_without_a_look_at_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = fake.write_pairs(tmp_path)
    monkeypatch.delattr(Path, "glob")
    monkeypatch.delattr(Path, "iterdir")
    source = open_picture_pairs(root / "hall" / "01_rgb.png")
    assert list(source.group_names) == ["hall/01_rgb"]
    (root / "hall" / "01_depth.png").rename(root / "hall" / "01_Depth.PNG")
    assert len(open_picture_pairs(root / "hall" / "01_rgb.png")) == 1


def test_partners_of_different_size_are_named(tmp_path: Path) -> None:
    folder = pair(tmp_path, np.full((6, 8), 900, np.uint16), np.zeros((12, 16, 3), np.uint8))
    with pytest.raises(DataError, match=r"a.color.png of 16 by 12 pixels and .*a.depth.png of 8 by 6"):
        open_picture_pairs(folder)


def test_pictures_of_depths_in_colours_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    counts = np.zeros((12, 16, 3), np.uint8)
    counts[..., 1] = 9
    with pytest.raises(DataError, match="store depths, not a picture of them"):
        open_picture_pairs(pair(tmp_path, counts, fake.rooms(1)[0][0]), metres_per_count=0.1)[torch.tensor([0])]
    broken = (tmp_path / "a.color.png").read_bytes()[:200]
    (tmp_path / "a.color.png").write_bytes(broken)
    with pytest.raises(DataError, match=r"a.color.png .*move it away"):
        open_picture_pairs(tmp_path, metres_per_count=0.1)[torch.tensor([0])]
    (tmp_path / "a.color.png").write_bytes(b"no picture at all")
    with pytest.raises(DataError, match="move it away"):
        open_picture_pairs(tmp_path)


@pytest.mark.parametrize("settings", [{"group": "x"}, {"metres_per_count": -1.0}, {"height": 0}])
def test_settings_without_a_meaning_are_refused(tmp_path: Path, settings: dict[str, object]) -> None:
    with pytest.raises(DataError):
        open_picture_pairs(fake.write_pairs(tmp_path), **settings)  # type: ignore[arg-type]


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names with rgb or color"):
        open_picture_pairs(tmp_path)


def test_the_nine_frequent_types_are_among_the_classes() -> None:
    assert len(set(FREQUENT)) == 9


def test_real_pairs_of_both_sets_pass_their_contracts(shared_data: Path) -> None:
    signs = open_picture_pairs(shared_data / "rgbd" / "handsign_rgbd", metres_per_count=4 / 255, fill=True)
    assert (len(signs), len(signs.classes)) == (150, 10)
    kitchen = open_picture_pairs(shared_data / "rgbd" / "7scenes_rgbd_seq", fill=True, group="folder")
    assert (len(kitchen), int(kitchen.groups.max())) == (100, 0)
    for source in (signs, kitchen):
        record = source[torch.tensor([0, len(source) - 1])]
        assert RGBContract().prepare(record).shape == (2, 3, 48, 64)
        assert DepthContract().prepare(record).isfinite().all()
    assert 0.5 < float(record["depth"].median()) < 4
