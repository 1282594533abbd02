"""How the packaged model `csi-small` is made: `python -m groundwave.recipes.csi_small`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from groundwave.atomic import write_atomically
from groundwave.bench.encoders import Pretraining, pretrained_on
from groundwave.bench.rows import hash_config
from groundwave.contract import CSIContract
from groundwave.contract.csi import DOPPLER, SPECTRUM_PACKETS
from groundwave.data.sources import Records, SceneSource
from groundwave.model import Model
from groundwave.scenes.csi import CSI
from groundwave.train import Schedule
from groundwave.views.csi import CropGains

NUM_RECORDS = 2400  # of each scene
MANY: Mapping[str, Any] = {
    "num_antennas": 1,
    "num_subcarriers": 56,
    "num_packets": 200,
    "num_rooms": 32,
    "num_users": 64,
}
SCENES: Sequence[Mapping[str, Any]] = (
    {**MANY, "packet_rate_hz": 20.0, "seed": 1},
    {**MANY, "packet_rate_hz": 50.0, "seed": 2},
    {**MANY, "packet_rate_hz": 100.0, "carrier_hz": 2.437e9, "seed": 3},
)
HOW = Pretraining(
    backbone="vit",
    objective="msm",
    views=(CropGains(((16, 200), (16, 100), (16, 50))),),
    schedule=Schedule(epochs=20, lr=1e-3, weight_decay=0.05),
    batch_size=64,
    contract=CSIContract(min_packets=SPECTRUM_PACKETS, normalisation=DOPPLER),
    backbone_args={"dim": 128, "depth": 3, "num_heads": 4, "patch": (4, 5)},
    objective_args={"decoder": {"name": "light", "dim": 64, "depth": 1}},
)


def csi_small(out: Path = Path("runs/csi-small"), *, seed: int = 0, progress: bool = True) -> Model:
    """Pretrain `csi-small` by masked modelling of simulated people in motion; the model is saved in `out/run/model`.

    Three scenes of 32 rooms and 64 people each, at 20, 50 and 100 packets a second; no label is read. A record takes
    16 ms of one core to simulate.

    Args:
        out: folder of records and run; an interrupted one is continued.
        seed: of initial weights, order, crops and masks.
        progress: whether to draw a progress bar.
    """
    return made(out, HOW, SCENES, NUM_RECORDS, seed, progress)


def made(
    out: Path, how: Pretraining, scenes: Sequence[Mapping[str, Any]], num_each: int, seed: int, progress: bool
) -> Model:
    """Return a backbone pretrained on `num_each` records of each of the scenes, whose settings are given."""
    csi = torch.cat([_simulated(settings, num_each, out / "records") for settings in scenes])
    return pretrained_on(
        Records({"csi": csi}), how, torch.arange(len(csi)), out=out / "run", seed=seed, progress=progress
    )


def _simulated(settings: Mapping[str, Any], num: int, folder: Path) -> Tensor:
    """Return gains complex64 `[num, antenna, subcarrier, packet]`, simulated once and read from `folder` ever after."""
    path = folder / f"csi-{hash_config({**settings, 'num': num})}.safetensors"
    if not path.exists():
        scene = CSI(**settings)
        source = SceneSource(scene, num)
        pieces = [source[rows]["csi"] for rows in torch.arange(num).split(scene.num_per_block)]
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save({"csi": torch.cat(pieces)}))
    return load_file(path)["csi"]


if __name__ == "__main__":
    from jsonargparse import auto_cli

    auto_cli(csi_small, as_positional=False)
