"""Fake sets of pictures in colour and depth."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from fake.csi import write_mat73
from PIL import Image
from scipy.io import savemat


def rooms(num: int, height: int = 12, width: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return colours uint8 `[num, height, width, 3]` and depths in metres `[num, height, width]`."""
    draw = np.random.default_rng(seed)
    return draw.integers(0, 256, (num, height, width, 3), np.uint8), 0.5 + 5 * draw.random((num, height, width))


def write_nyu(
    path: Path, colours: np.ndarray, depths: np.ndarray, types: Sequence[str], scenes: Sequence[str], **more: np.ndarray
) -> Path:
    """Write the labelled set as MATLAB's -v7.3 does: texts are references to arrays of codes, columns first."""
    write_mat73(path, images=colours.transpose(1, 2, 3, 0), depths=depths.astype(np.float32).transpose(1, 2, 0), **more)
    with h5py.File(path, "r+") as file:
        for name, texts in (("sceneTypes", types), ("scenes", scenes)):
            cells = file.create_dataset(name, (1, len(texts)), h5py.ref_dtype)
            for n, text in enumerate(texts):
                codes = np.frombuffer(text.encode("utf-16-le"), np.uint16)[:, None]
                cells[0, n] = file.create_dataset(f"#refs#/{name}{n}", data=codes).ref
    return path


def write_splits(path: Path, train: Sequence[int], test: Sequence[int]) -> Path:
    """Write rows counted from 1, as MATLAB has them."""
    savemat(path, {"trainNdxs": np.array(train)[:, None], "testNdxs": np.array(test)[:, None]})
    return path


def write_pair(colour: Path, depth: Path, rgb: np.ndarray, counts: np.ndarray) -> Path:
    """Write a picture in colour and its depths, 8 or 16 bits; return the first."""
    colour.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(colour)
    Image.fromarray(counts).save(depth)
    return colour


def write_pairs(root: Path, num_per_class: int = 2, classes: Sequence[str] = ("hall", "attic")) -> Path:
    """Write `class/NN_rgb.png` with `class/NN_depth.png` in millimetres."""
    colours, depths = rooms(num_per_class * len(classes))
    for n, (rgb, metres) in enumerate(zip(colours, depths, strict=True)):
        place = root / classes[n // num_per_class]
        write_pair(
            place / f"{n:02}_rgb.png", place / f"{n:02}_depth.png", rgb, np.round(1000 * metres).astype(np.uint16)
        )
    return root
