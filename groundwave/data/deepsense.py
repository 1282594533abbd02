"""DeepSense 6G (Alkhateeb et al., 2023): power of each beam of a 60 GHz base station, and where the car was."""

import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from groundwave.data.raw import existing
from groundwave.data.sources import Records
from groundwave.data.windows import npz_arrays, npz_names
from groundwave.errors import DataError

POWER = "unit1_pwr_60ghz"
EARTH_RADIUS_M = 6_371_000.0

Array = npt.NDArray[Any]


def open_deepsense(path: str | PathLike[str], *, scenarios: Sequence[int] | None = None) -> Records:
    """Open a `.npz` of DeepSense scenarios: `scenarioN_unit1_pwr_60ghz`, `..._seq_index` and `..._loc` of both units.

    A record holds `power` `[beam]` as measured, `position` in metres east and north of the base station, `scenario`,
    and its label, the strongest beam. A group is a sequence, one drive past the base station. Of positions, those that
    were calibrated (`unit2_loc_cal`) are taken where there are some.

    Args:
        path: The file. Arrays of objects are refused: they could run code.
        scenarios: Numbers of those to read; all by default.

    Raises:
        DataError: No such scenario, or arrays of other shapes.
    """
    file = existing(path)
    names = npz_names(file)
    held = sorted(int(match[1]) for name in names if (match := re.fullmatch(rf"scenario(\d+)_{POWER}", name)))
    wanted = held if scenarios is None else list(scenarios)
    if not wanted or not set(wanted) <= set(held):
        raise DataError(
            got=f"{file} with scenarios {', '.join(map(str, held)) or '(none)'}",
            expected=f"scenarios {', '.join(map(str, wanted))}" if wanted else "at least one",
            do="ask for those that it has, or check the file",
        )
    parts = [_scenario(file, names, number) for number in wanted]
    if len({part["power"].shape[1] for part in parts}) > 1:
        raise DataError(
            f"{file} with scenarios of different codebooks", "as many beams in each", "read them one by one"
        )
    record = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    pairs = torch.stack((record["scenario"], record.pop("sequence")), 1)
    found, group = pairs.unique(dim=0, return_inverse=True)
    return Records(
        {**record, "label": record["power"].argmax(1), "group": group},
        classes=[str(beam) for beam in range(record["power"].shape[1])],
        group_names=[f"scenario{number}/{k}" for number, k in found.tolist()],
    )


def _scenario(file: Path, names: Sequence[str], number: int) -> dict[str, Tensor]:
    """Return `power`, `position`, `scenario` and `sequence` of one scenario; raises `DataError`."""
    prefix = f"scenario{number}_"
    car = "unit2_loc_cal" if f"{prefix}unit2_loc_cal" in names else "unit2_loc"
    places = {"power": POWER, "sequence": "seq_index", "base": "unit1_loc", "car": car}
    found = npz_arrays(file, {role: prefix + place for role, place in places.items()})
    num = len(found["power"])
    shapes = {name: tuple(values.shape) for name, values in found.items()}
    good = found["power"].ndim == 2 and found["power"].dtype.kind == "f" and np.isfinite(found["power"]).all()
    if not (num and good and shapes["base"] == shapes["car"] == (num, 2) and shapes["sequence"] == (num,)):
        raise DataError(
            got=f"scenario {number} of {file} with {', '.join(f'{k} {list(v)}' for k, v in shapes.items())}",
            expected="finite powers [N, beam], a sequence [N], latitudes and longitudes [N, 2] of both",
            do="check the file",
        )
    return {
        "power": torch.from_numpy(found["power"].astype(np.float32)),
        "position": torch.from_numpy(metres(found["base"], found["car"])),
        "scenario": torch.full((num,), number),
        "sequence": torch.from_numpy(found["sequence"].astype(np.int64)),
    }


def metres(base: Array, other: Array) -> npt.NDArray[np.float32]:
    """Return how far east and north of `base` something is, of latitudes and longitudes in degrees `[N, 2]`.

    The earth is a sphere here: over the few hundred metres of a street that is exact to centimetres.
    """
    north, east = np.radians(other.astype(np.float64) - base).T * EARTH_RADIUS_M
    return np.stack([east * np.cos(np.radians(base[:, 0])), north], 1).astype(np.float32)
