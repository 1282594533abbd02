"""Folders of paired pictures: one in colour and one of depths, told by their names."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from groundwave.data.pictures import HEIGHT, WIDTH, Colours, Depths, Pictures
from groundwave.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png")
FORMATS = ("JPEG", "PNG")
GROUPS = ("picture", "folder")
_COLOUR, _DEPTH = re.compile(r"(?<![a-z])(rgb|colou?r)(?![a-z])", re.I), re.compile(r"(?<![a-z])depth(?![a-z])", re.I)
_MILLIMETRE = 0.001
_NO_RETURN = 65535  # what 16-bit cameras write where they measured nothing, beside 0
_SHOWN = 5  # names in an error


def open_picture_pairs(
    path: str | PathLike[str],
    *,
    metres_per_count: float | None = None,
    fill: bool = False,
    height: int = HEIGHT,
    width: int = WIDTH,
    group: str = GROUPS[0],
) -> Pictures:
    """Open pairs of pictures whose names differ in `rgb` (or `color`) and `depth` alone: `07_rgb.jpg`, `07_depth.png`.

    JPEG or PNG; others are left alone. Each is labelled by the folder that holds it. Depths of 16 bits are millimetres,
    unless told otherwise; what 8 bits count has to be told. 0, and 65535 in 16 bits, say that nothing was measured.

    Args:
        path: A folder of pictures, or of folders of them; or one picture in colour.
        metres_per_count: What one count of a depth stands for.
        fill: Give pixels without a depth the mean of their neighbours; they are NaN otherwise, and models refuse them.
        height: Rows that pictures are brought to.
        width: Columns.
        group: What a split must not tear apart: each `picture` is by itself, or each `folder` is one recording.

    Raises:
        DataError: No pair, a picture without its partner, partners of different size, or one that is damaged.
    """
    root = Path(path)
    if group not in GROUPS:
        raise DataError(f"group {group!r}", f"one of {', '.join(GROUPS)}", "choose one of those")
    if metres_per_count is not None and not 0 < metres_per_count < float("inf"):
        raise DataError(f"metres_per_count={metres_per_count}", "a positive number", "correct it")
    pairs = _pairs(root)
    for pair in pairs:
        _check_size(*pair)
    folders = [colour.resolve().parent.name for colour, _ in pairs]
    classes = sorted(set(folders))
    label = np.array([classes.index(folder) for folder in folders])

    def read(row: int) -> tuple[Colours, Depths]:
        colour, depth = pairs[row]
        return _colours(colour), _metres(depth, metres_per_count)

    alone = group == GROUPS[0]
    return Pictures(
        read,
        labels=label,
        groups=np.arange(len(pairs)) if alone else label,
        classes=classes,
        group_names=[f"{of}/{colour.stem}" for of, (colour, _) in zip(folders, pairs, strict=True)]
        if alone
        else classes,
        size=(height, width),
        fill=fill,
    )


def _pairs(root: Path) -> list[tuple[Path, Path]]:
    """Return the files of all pairs, in the order of their names; raises `DataError` for any without a partner."""
    inside = sorted((*root.glob("*"), *root.glob("*/*"))) if root.is_dir() else _beside(root)
    pictures = [file for file in inside if file.suffix.lower() in SUFFIXES and file.is_file()]
    colours, depths = (
        {file.with_name(word.sub("", file.stem, count=1)): file for file in pictures if word.search(file.stem)}
        for word in (_COLOUR, _DEPTH)
    )
    if not colours and not depths:
        raise DataError(f"{root} without paired pictures", "names with rgb or color, and depth", "check the path")
    alone = [file for name, file in {**depths, **colours}.items() if (name in colours) != (name in depths)]
    if alone:
        raise DataError(
            got=f"{len(alone)} pictures without a partner: {_some(alone)}",
            expected="a picture of depths for each in colour, and the other way round",
            do="move those away, or bring their partners",
        )
    return [(colour, depths[name]) for name, colour in sorted(colours.items())]


def _beside(colour: Path) -> list[Path]:
    """Return a picture in colour and its partner by its name; a look at the whole folder for each would take hours."""
    stems = [_COLOUR.sub(word, colour.stem, count=1) for word in ("depth", "Depth", "DEPTH")]
    files = [colour.with_name(stem + ending) for stem in stems for one in SUFFIXES for ending in (one, one.upper())]
    return [colour, *(file for file in files if file.exists())]


def _some(files: Sequence[Path]) -> str:
    named = [str(file) for file in files[:_SHOWN]]
    return ", ".join([*named, "..."] if len(files) > _SHOWN else named)


def _check_size(colour: Path, depth: Path) -> None:
    """Raise `DataError` unless partners have the same size; only their heads are read."""
    from PIL import Image

    sizes = []
    for file in (colour, depth):
        with _told(file), Image.open(file, formats=FORMATS) as picture:
            sizes.append(picture.size)
    if sizes[0] != sizes[1]:
        told = (f"{file} of {wide} by {high} pixels" for file, (wide, high) in zip((colour, depth), sizes, strict=True))
        raise DataError(" and ".join(told), "partners of one size, pixel on pixel", "register them first")


def _colours(file: Path) -> Colours:
    from PIL import Image

    with _told(file), Image.open(file, formats=FORMATS) as picture:
        return np.array(picture.convert("RGB"))


def _metres(file: Path, metres_per_count: float | None) -> Depths:
    """Return depths in metres, NaN where nothing was measured."""
    from PIL import Image

    with _told(file), Image.open(file, formats=FORMATS) as picture:
        counts = np.array(picture)
    if counts.ndim == 3:
        counts = _one_channel(file, counts)
    if counts.dtype == np.uint8 and metres_per_count is None:
        raise DataError(
            got=f"{file} of 8 bits, which say nothing of their unit",
            expected="16-bit millimetres, or a unit",
            do="ingest with --reader.metres-per-count METRES",
        )
    unknown = (counts <= 0) | ((counts == _NO_RETURN) & (counts.dtype != np.uint8))
    metres = counts * np.float32(metres_per_count or _MILLIMETRE)
    return np.where(unknown, np.float32(np.nan), metres).astype(np.float32)


def _one_channel(file: Path, counts: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Return a grey picture's channel; raises `DataError` where channels differ, as in a colour map."""
    if (counts[..., :3] != counts[..., :1]).any():
        raise DataError(f"{file} in colours", "depths as one number a pixel", "store depths, not a picture of them")
    return counts[..., 0]


@contextmanager
def _told(file: Path) -> Iterator[None]:
    """Turn whatever a damaged picture raises into a `DataError` that names it."""
    try:
        yield
    except Exception as error:  # decoders raise many things
        raise DataError(f"{file} ({error})", "a JPEG or PNG picture", "copy it again, or move it away") from error
