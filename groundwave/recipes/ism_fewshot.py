"""The protocol `ism-fewshot`: device families at 433 MHz from one or five labelled windows each, on real recordings."""

from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from groundwave.bench.fewshot import measure
from groundwave.bench.methods import CLASSICAL, Method, attributed, from_scratch, probe
from groundwave.contracts import Record
from groundwave.data.split import Grouped, split, split_hash
from groundwave.data.windows import ArrayWindows, open_npz
from groundwave.errors import DataError
from groundwave.model import Model
from groundwave.pretrain.run import pretrain
from groundwave.recipes import device
from groundwave.recipes.place import Place
from groundwave.signal.statistics import expert_features

MIN_CAPTURES = 4


def ism_fewshot(
    data: Path,
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/ism-fewshot"),
    model: str = "iq-small",
    shots: Sequence[int] = (1, 5),
    splits: int = 5,
    episodes: int = 40,
    slow_episodes: int = 20,
    smoke: bool = False,
) -> Path:
    """Pretrain on unlabelled windows of training captures, then learn families from a few labels, against baselines.

    Half of each family's captures are the training side, half the test side; captures of families with fewer than four
    captures are unlabelled training data. Support comes from the training side, queries are all windows of the test
    side, and recall is averaged over families.

    Args:
        data: .npz of windows `iq_u8` with `label`, `label_names`, `capture_id`, `capture_files`.
        results: folder of the file of rows.
        runs: folder of the pretraining runs; finished ones are reused.
        model: packaged model or model folder to compare as it is.
        shots: labelled windows per family.
        splits: ways to halve the captures; a model is pretrained for each.
        episodes: episodes per split.
        slow_episodes: episodes per split for training from scratch, which is slow.
        smoke: one split and two episodes, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    source = open_npz(
        data, iq="iq_u8", label="label", group="capture_id", classes="label_names", group_names="capture_files"
    )
    record = source[torch.arange(len(source))]
    packaged, digest = Model.load(model), sha256(data.read_bytes()).hexdigest()[:12]
    place = Place(name="ism-fewshot", results=results, runs=runs, smoke=smoke)
    for number in range(1 if smoke else splits):
        sides = halves(source, seed=number)
        pretrained = _pretrain(source, sides["train"], place.home / f"split-{number}", seed=number)
        how = _settings(seed=number)
        fast = [
            attributed(probe("LSM + attributes", pretrained, config=how), expert_features),
            probe("LSM", pretrained, config=how),
            probe(f"{model}, frozen", packaged),
            attributed(probe(f"{model}, frozen + attributes", packaged), expert_features),
            _unlearned(pretrained),
            *CLASSICAL,
        ]
        slow = [from_scratch(pretrained, device.CROP)]
        for num_shots in shots:
            for methods, count in ((fast, episodes), (slow, slow_episodes)):
                measure(
                    record,
                    methods,
                    protocol="ism-fewshot",
                    data=data.name,
                    results=place.path,
                    num_shots=num_shots,
                    num_episodes=2 if smoke else count,
                    seed=number,
                    support_pool=labelled(record, sides["train"], sides["test"]),
                    query_pool=sides["test"],
                    split=f"half of the captures of each family, seed {number}, {split_hash(sides)}",
                    config={"data_sha256": digest, "split_seed": number, "min_captures": MIN_CAPTURES},
                )
    return place.path


def halves(source: Grouped, seed: int) -> dict[str, Tensor]:
    """Return windows of the training and of the test side; small families are on the training side alone.

    Raises:
        DataError: fewer than two families have enough captures.
    """
    labels, groups = source.labels, source.groups
    families = [c for c in range(len(source.classes)) if groups[labels == c].unique().numel() >= MIN_CAPTURES]
    if len(families) < 2:
        raise DataError(
            got=f"{len(families)} families with at least {MIN_CAPTURES} captures",
            expected="at least two",
            do="check that labels and capture ids are the right arrays",
        )
    large = torch.isin(labels, torch.tensor(families))
    sides = split(source, {"train": 0.5, "test": 0.5}, seed=seed, stratify=True, indices=large.nonzero()[:, 0])
    return {"train": torch.cat([sides["train"], (~large).nonzero()[:, 0]]).sort().values, "test": sides["test"]}


def labelled(record: Record, train: Tensor, test: Tensor) -> Tensor:
    """Return the training windows of families that the test side has."""
    return train[torch.isin(record["label"][train], record["label"][test])]


def _pretrain(source: ArrayWindows, train: Tensor, out: Path, seed: int) -> Model:
    return pretrain(
        source,
        indices=train,
        groups=source.groups,
        out=out,
        contract=device.CONTRACT,
        views=device.VIEWS,
        schedule=device.SCHEDULE,
        backbone_args=device.BACKBONE,
        objective_args=device.OBJECTIVE,
        batch_size=device.BATCH_SIZE,
        seed=seed,
    )


def _settings(seed: int) -> dict[str, Any]:
    """Return how a split's model is pretrained, as its rows tell it."""
    return {
        "pretraining": {
            "contract": asdict(device.CONTRACT),
            "backbone_args": device.BACKBONE,
            "objective_args": device.OBJECTIVE,
            "views": repr(device.VIEWS),
            "schedule": asdict(device.SCHEDULE),
            "batch_size": device.BATCH_SIZE,
            "pairs_within_recording": device.PAIRS_WITHIN_RECORDING,
            "seed": seed,
        }
    }


def _unlearned(pretrained: Model) -> Method:
    """Return the control: all attributes that ours may use, and nothing learned without labels."""
    args: dict[str, Any] = {"towers": {"attributes": pretrained.spec["backbone"]["args"]["towers"]["attributes"]}}
    attributes = Model.build("lsm", pretrained.contract, args)
    return attributed(probe("attributes + logistic", attributes, config=args), expert_features)
