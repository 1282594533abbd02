"""What a model takes: which array of the records, under which contract, learned how."""

from collections.abc import Mapping
from inspect import signature
from typing import Any, NamedTuple

from groundwave.contract import CONTRACTS, ArrayContract, Contract, CSIContract, InputContract, SpectrogramContract
from groundwave.contracts import Record
from groundwave.errors import DataError, GroundwaveError
from groundwave.pretrain import OBJECTIVES

LEAST = 16  # cells on each side of a spectrogram: a patch


class Usual(NamedTuple):
    """What is usual for a modality: names in `OBJECTIVES` and `BACKBONES`."""

    objective: str
    backbone: str


USUAL: Mapping[str, Usual] = {
    "iq": Usual("lsm", "lsm"),
    "spec": Usual("msm", "vit"),
    "csi": Usual("msm", "vit"),
    "array": Usual("direction", "aoanet"),
    "rgb": Usual("msm", "vit"),
    "depth": Usual("msm", "vit"),
}

# Arguments of an objective where the backbone needs others than its own defaults. A ConvLSTM, whose tokens are the
# cells, cannot leave any out: a fifth is replaced by noise (Aboulfotouh et al., 2024, arXiv 2411.09849).
SUITED: Mapping[Usual, Mapping[str, Any]] = {
    Usual("msm", "convlstm"): {"ratio": 0.2, "fill": "noise", "decoder": {"name": "linear"}}
}


def modality_of(record: Record, wanted: str | None, data: str) -> str:
    """Return which modality to learn from: the one that is wanted, or the first of the table that the records hold.

    Raises:
        DataError: they hold none, or not the one that is wanted.
    """
    held = [name for name in CONTRACTS if name in record]
    if wanted in held or (wanted is None and held):
        return wanted or held[0]
    raise DataError(
        got=f"{data} with {', '.join(record)}",
        expected=wanted or f"one of {', '.join(CONTRACTS)}",
        do=f"name a modality that it holds: --modality {held[0]}" if held else "choose other records",
    )


def check_objective(objective: str, modality: str) -> None:
    """Raise `GroundwaveError` unless an objective works on a modality: on all but IQ it must ask for the contract."""
    if modality != "iq" and "contract" not in signature(OBJECTIVES[objective]).parameters:
        fit = [name for name, make in OBJECTIVES.items() if "contract" in signature(make).parameters]
        raise GroundwaveError(
            got=f"objective {objective} for records of {modality!r}",
            expected=f"one of {', '.join(fit)}",
            do="leave out --objective, or choose one of those",
        )


def contract_of(source: Any, record: Record, modality: str, whole: bool = False) -> Contract:
    """Return the contract of a model that is trained on records like this one.

    Args:
        source: where they come from.
        record: some of them.
        modality: what the model takes of them.
        whole: of IQ, whether it takes this length only.
    """
    shape = tuple(record[modality].shape[1:])
    if modality == "iq":
        length = shape[-1]
        return InputContract(
            num_samples=length,
            min_samples=length if whole else max(1, length // 4),
            max_samples=length if whole else 2 * length,
            num_antennas=shape[0] if len(shape) == 2 else 1,
        )
    if modality in ("rgb", "depth"):
        return CONTRACTS[modality](num_channels=shape[0], min_side=min(LEAST, *shape[1:]))  # type: ignore[call-arg]
    if modality == "array":
        return array_contract(source, *shape)
    channels = shape[0] if len(shape) == 3 else 1
    if modality == "csi":
        return CSIContract(num_antennas=channels)
    num_freqs, num_frames = shape[-2:]
    hop, num_averaged, window = windows_of(source, num_freqs)
    return SpectrogramContract(
        min_freqs=min(LEAST, num_freqs),
        min_frames=min(LEAST, num_frames),
        num_channels=channels,
        num_freqs=num_freqs,
        num_frames=num_frames,
        hop=hop,
        num_averaged=num_averaged,
        window=window,
    )


def array_contract(source: Any, num_antennas: int, num_snapshots: int) -> ArrayContract:
    """Return the contract of an array as its source tells it, else of one row half a wavelength apart."""
    told = told_by(source).get("array", {"size": (1, num_antennas), "spacing": 0.5})
    return ArrayContract(
        num_samples=num_snapshots,
        min_samples=max(1, num_snapshots // 4),
        max_samples=4 * num_snapshots,
        size=tuple(told["size"]),
        spacing=told["spacing"],
    )


def windows_of(source: Any, num_freqs: int) -> tuple[int, int, str]:
    """Return how a source's frames are made: samples from window to window, windows in a frame, and their shape.

    Where it does not say, windows of Hann's lie end to end, one in a frame.
    """
    told = told_by(source).get("spectrogram", {})
    return int(told.get("hop", num_freqs)), int(told.get("num_averaged", 1)), str(told.get("window", "hann"))


def told_by(source: Any) -> Mapping[str, Any]:
    """Return what a source says of its records beyond their numbers: a store in its notes, a scene by its settings."""
    return source.manifest.notes if hasattr(source, "manifest") else scene_told(getattr(source, "scene", None))


def scene_told(scene: Any) -> dict[str, Any]:
    """Return what a store of a scene's records notes: how spectrograms are made, how the elements of an array stand."""
    told: dict[str, Any] = {}
    if cells := cells_told(scene):
        told["spectrogram"] = cells
    if hasattr(scene, "size") and hasattr(scene, "spacing"):
        told["array"] = {"size": list(scene.size), "spacing": scene.spacing}
    return told


def cells_told(scene: Any) -> dict[str, int] | None:
    """Return how a scene's spectrograms are made of windows, None for a scene without."""
    cells = getattr(scene, "grid", None) or getattr(scene, "screen", None)
    if cells is None or callable(cells):  # a band whose cells differ from record to record makes them on demand
        return None
    return {
        "num_freqs": cells.num_freqs,
        "num_frames": cells.num_frames,
        "hop": getattr(cells, "hop", cells.num_freqs),
        "num_averaged": getattr(cells, "num_averaged", 1),
    }
