"""Model: what users hold. A backbone, a head, and the contract of what may go in.

On disk a model is a folder of `config.json`, `model.safetensors` and `README.md` (the model card): the layout of
huggingface_hub's mixin, without a pickle anywhere.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from groundwave.atomic import folder_atomically
from groundwave.contract import CONTRACTS, Contract, InputContract, restored
from groundwave.contract.given import Given
from groundwave.data.typed import TEXT, check_fields
from groundwave.errors import ContractError, ModelError, UnknownNameError, lookup
from groundwave.nn import BACKBONES, HEADS
from groundwave.nn.dense import Decoder
from groundwave.nn.exits import MultiExit, Policy, multi_exit
from groundwave.nn.heads import answer
from groundwave.nn.narrow import restore_sizes

__all__ = ["InputContract", "Model", "packaged"]

FORMAT_VERSION = 1
BROKEN = (AssertionError, RuntimeError, SafetensorError)  # a layer of impossible size, or weights of another

MOST_GRIDS = 32  # records at once of which every cell is answered


@dataclass
class Model:
    """A backbone with its input contract and, once adapted, a head and class names.

    Args:
        backbone: maps the contract's channels (`[B, 2 * antennas, time]` of IQ) to features.
        contract: what may go in.
        spec: how to rebuild the networks: `{"backbone": {"name", "args"}, "head": ...}`; of what was pruned, also the
            sizes of its tensors, `pruned`.
        head: maps features to class scores.
        classes: names of the scores.
        card: text of the model card.
        others: of a model of several modalities, the contracts of those beside `contract`'s.
        exits: heads between the steps of the backbone, from which `predict` lets a record leave.
    """

    backbone: nn.Module
    contract: Contract
    spec: dict[str, Any]
    head: nn.Module | None = None
    classes: tuple[str, ...] = ()
    card: str = ""
    others: dict[str, Contract] = field(default_factory=dict)
    exits: MultiExit | None = None

    @classmethod
    def build(
        cls,
        backbone: str,
        contract: Contract,
        args: dict[str, Any] | None = None,
        card: str = "",
        others: dict[str, Contract] | None = None,
    ) -> Self:
        """Return a model with a new backbone of the table, its weights drawn from torch's global generator."""
        args = {"num_channels": contract.num_channels, **(args or {})}
        network = lookup(BACKBONES, backbone, "backbone")(**args)
        return cls(network, contract, {"backbone": {"name": backbone, "args": args}}, card=card, others=others or {})

    @property
    def num_features(self) -> int:
        """Width of what `embed` returns."""
        return int(self.backbone.num_features)  # type: ignore[arg-type]

    def for_modality(self, modality: str) -> "Model":
        """Return the part of a model of several modalities that takes one of them; the weights stay shared.

        Raises:
            UnknownNameError: a modality that the model does not take.
        """
        contract = lookup({self.contract.modality: self.contract, **self.others}, modality, "modality")
        if not self.others:
            return self
        network, args = self.backbone.for_modality(modality)  # type: ignore[operator]
        return Model(network, contract, {"backbone": {"name": "vit", "args": args}}, card=self.card)

    def with_head(self, name: str, head: nn.Module, args: dict[str, Any], classes: tuple[str, ...]) -> "Model":
        """Return this model with a head of the table `HEADS` and the names of its classes.

        Raises:
            ContractError: the head does not have one output for each class.
        """
        spec = {key: value for key, value in self.spec.items() if key != "exits"}  # they answer what the old head did
        adapted = replace(
            self, head=head, classes=classes, spec={**spec, "head": {"name": name, "args": args}}, exits=None
        )
        adapted.check_head()
        return adapted

    def with_exits(self, exits: MultiExit, settings: list[dict[str, Any]], kind: str, policy: Policy) -> "Model":
        """Return this model with exits, which `predict` uses by a policy.

        Args:
            exits: made of this model's backbone and head.
            settings: arguments of the exit heads, as `exit_settings` returns them.
            kind: name in `EXIT_HEADS`.
            policy: when a record leaves.
        """
        exits.check(policy)
        told = {"after": list(exits.after), "kind": kind, "args": settings}
        return replace(self, exits=exits, spec={**self.spec, "exits": {**told, "policy": asdict(policy)}})

    @property
    def policy(self) -> Policy:
        """When a record leaves a model that has exits."""
        told = self.spec["exits"]["policy"]
        return Policy(tuple(told["thresholds"]), told["rule"], tuple(told.get("hopeless", ())))

    @torch.no_grad()
    def check_head(self) -> None:
        """Raise `ContractError` unless the head, if there is one, has an output for each class."""
        if self.head is None:
            return
        device = next(self.head.parameters(), torch.empty(0)).device
        features = torch.zeros(1, self.num_features, device=device)
        if isinstance(self.head, Decoder):
            num_outputs = self.head.eval()(features[:, None], (1, 1), (1, 1)).shape[1]
        else:
            num_outputs = self.head.eval()(features).shape[-1]
        if num_outputs != len(self.classes):
            raise ContractError(
                got=f"a head with {num_outputs} outputs for {len(self.classes)} classes",
                expected="one output for each class",
                do="name the classes that the head was trained on",
            )

    def modules(self) -> nn.ModuleDict:
        """Return all networks under the names that the weights file uses."""
        exits = self.exits.exits if self.exits else None
        parts = {"backbone": self.backbone, "head": self.head, "exits": exits}
        return nn.ModuleDict({name: part for name, part in parts.items() if part is not None})

    def prepare(self, given: Given, oversampling: float | None = None) -> Tensor:
        """Return `[B, ...]` as the contract checks and normalises it; what is prepared must not be prepared again.

        Args:
            given: what `embed` takes.
            oversampling: sample rate over signal bandwidth of IQ, where known.

        Raises:
            ContractError: the input does not fit the contract, or no model of IQ is told an oversampling.
        """
        if isinstance(self.contract, InputContract):
            return self.contract.prepare(given, oversampling)
        if oversampling is not None:
            raise ContractError(
                got=f"an oversampling for a model of {self.contract.modality!r}",
                expected="one for a model of IQ",
                do="leave it out",
            )
        return self.contract.prepare(given)

    @torch.no_grad()
    def embed(self, given: Given, batch_size: int = 256, oversampling: float | None = None) -> Tensor:
        """Return features float32 `[B, D]` of what the contract takes, as an array or in a record.

        Args:
            given: complex samples for a model of IQ, decibels for one of spectrograms; or a record.
            batch_size: records at once.
            oversampling: sample rate over signal bandwidth of IQ, where known.

        Raises:
            ContractError: the input does not fit the contract.
        """
        return self.embed_prepared(self.prepare(given, oversampling), batch_size)

    @torch.no_grad()
    def embed_prepared(self, prepared: Tensor, batch_size: int = 256) -> Tensor:
        """Return features float32 `[B, D]` of what `prepare` has returned."""
        self.modules().eval()
        device = next(self.backbone.parameters(), torch.empty(0)).device
        parts = []
        for batch in prepared.split(batch_size):
            windows = self.contract.windows(batch)
            features = self.backbone(self.contract.channels(windows.flatten(0, 1).to(device))).float()
            parts.append(features.unflatten(0, windows.shape[:2]).mean(dim=1))
        return torch.cat(parts).cpu()

    @torch.no_grad()
    def predict(self, given: Given, batch_size: int = 256, oversampling: float | None = None) -> Tensor:
        """Return class probabilities of what `embed` takes: `[B, C]`, or `[B, C, freq, time]` of a head for cells.

        A head of directions returns these instead: a `DirectionHead` azimuth and elevation in radians `[B, 2]`, a
        `PeakHead` azimuth, elevation and probability of each source `[B, source, 3]`.

        Raises:
            ContractError: the input does not fit the contract.
            ModelError: the model has no head yet.
        """
        return self.predict_prepared(self.prepare(given, oversampling), batch_size)

    @torch.no_grad()
    def predict_prepared(self, prepared: Tensor, batch_size: int = 256) -> Tensor:
        """Return what `predict` does of what `prepare` has returned; raises `ModelError` without a head."""
        if self.head is None:
            raise ModelError(
                got="a model without a head",
                expected="an adapted model",
                do="run `groundwave adapt` with a few labels first",
            )
        if isinstance(self.head, Decoder):
            return self._cells(prepared, min(batch_size, MOST_GRIDS))
        if self.exits is not None:
            return self._sure(prepared, batch_size)
        features = self.embed_prepared(prepared, batch_size)
        device = next(self.head.parameters()).device
        return answer(self.head, self.head(features.to(device))).cpu()

    def _cells(self, prepared: Tensor, batch_size: int) -> Tensor:
        """Return the probabilities of every cell, `[B, C, freq, time]`."""
        network: Any = self.modules().eval()
        device = next(network.parameters()).device
        parts = []
        for batch in prepared.split(batch_size):
            x = self.contract.channels(batch.to(device))
            scores = network["head"](network["backbone"].tokens(x), network["backbone"].grid(x), x.shape[-2:])
            parts.append(answer(network["head"], scores.float(), dim=1).cpu())
        return torch.cat(parts)

    def _sure(self, prepared: Tensor, batch_size: int) -> Tensor:
        """Return what each record's first sure exit says: of a long record, the mean over its windows."""
        assert self.exits is not None
        self.modules().eval()
        device = next(self.backbone.parameters(), torch.empty(0)).device
        parts = []
        for batch in prepared.split(batch_size):
            windows = self.contract.windows(batch)
            channels = self.contract.channels(windows.flatten(0, 1).to(device))
            answered = self.exits.answer(channels, self.policy).probabilities
            parts.append(answered.unflatten(0, windows.shape[:2]).mean(dim=1))
        return torch.cat(parts).cpu()

    def save(self, folder: Path | str) -> Path:
        """Write the model into a new folder, whole or not at all.

        Raises:
            OutputExistsError: `folder` exists.
            DataError: the disk is full.
        """
        folder = Path(folder)
        weights = save_tensors({k: v.contiguous().cpu() for k, v in self.modules().state_dict().items()})
        config = {
            "format_version": FORMAT_VERSION,
            "spec": self.spec,
            "contract": asdict(self.contract),
            "classes": list(self.classes),
            **({"others": {name: asdict(contract) for name, contract in self.others.items()}} if self.others else {}),
            "weights_sha256": sha256(weights).hexdigest(),
        }
        with folder_atomically(folder) as draft:
            draft.mkdir()
            (draft / "model.safetensors").write_bytes(weights)
            (draft / "config.json").write_text(json.dumps(config, indent=2) + "\n")
            (draft / "README.md").write_text(self.card or f"# {folder.name}\n", encoding="utf-8")
        return folder

    @classmethod
    def load(cls, name_or_dir: str | Path) -> Self:
        """Load a packaged model by name, or any model folder; `NAME:MODALITY` is one part of a multi-modal one.

        Raises:
            UnknownNameError: neither a folder nor a packaged model.
            ModelError: the folder lacks a file, fails its hash, or describes a model this version cannot build.
        """
        name, _, modality = str(name_or_dir).rpartition(":")
        if name and modality in CONTRACTS and not Path(name_or_dir).exists():
            return cls.load(name).for_modality(modality)  # type: ignore[return-value]
        folder = _locate(name_or_dir)
        config, weights = _read(folder)
        try:
            spec = config["spec"]
            contract = restored(config["contract"])
            backbone = lookup(BACKBONES, spec["backbone"]["name"], "backbone")(**spec["backbone"]["args"])
            check_fields(config, {"classes": TEXT.each()}, "config.json", required=["classes"], do="correct it")
            others = {name: restored(fields) for name, fields in config.get("others", {}).items()}
            model = cls(backbone, contract, spec, classes=tuple(config["classes"]), others=others)
            if "head" in spec:
                model.head = lookup(HEADS, spec["head"]["name"], "head")(**spec["head"]["args"])
            for part, network in model.modules().items():
                restore_sizes(network, spec[part].get("pruned", {}))
            if "exits" in spec:
                model.exits = _exits(model)
            model.modules().load_state_dict(load_tensors(weights))
            model.check_head()
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, *BROKEN) as error:
            raise ModelError(
                got=f"{folder}, whose config.json and weights do not make a model ({error})".replace("\n", " "),
                expected=f"a model of format {FORMAT_VERSION} with weights of the described architecture",
                do="save the model again, or install the groundwave version that wrote it",
            ) from error
        card = folder / "README.md"
        model.card = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
        model.modules().eval()
        return model


def _exits(model: Model) -> MultiExit:
    """Return the exits that a model's spec describes, with new weights."""
    told = model.spec["exits"]
    if model.head is None:
        raise ModelError("exits without a head", "a head at the end", "save the model again")
    exits = multi_exit(model.backbone, model.head, told["after"], told["args"], told["kind"])
    exits.check(model.policy)
    return exits


def packaged() -> dict[str, Path]:
    """Return the models that ship with the package, by name."""
    home = Path(str(resources.files("groundwave"))) / "weights"
    return {folder.name: folder for folder in sorted(home.iterdir()) if (folder / "config.json").exists()}


def _locate(name_or_dir: str | Path) -> Path:
    if Path(name_or_dir).is_dir():
        return Path(name_or_dir)
    if str(name_or_dir) in packaged():
        return packaged()[str(name_or_dir)]
    raise UnknownNameError("model (neither a folder nor a packaged model)", str(name_or_dir), packaged())


def _read(folder: Path) -> tuple[dict[str, Any], bytes]:
    """Read and check the two files that make a model."""
    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise ModelError(
                got=f"{folder} without {name}", expected="a complete model folder", do="copy the folder again"
            )
    weights = (folder / "model.safetensors").read_bytes()
    try:
        config = json.loads((folder / "config.json").read_text())
        wanted, version = config["weights_sha256"], config["format_version"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ModelError(
            got=f"{folder / 'config.json'}, which is not a model's ({error})",
            expected="the JSON that Model.save writes",
            do="copy the folder again",
        ) from error
    if version != FORMAT_VERSION:
        raise ModelError(
            got=f"model format {version}",
            expected=f"format {FORMAT_VERSION}",
            do="install a matching groundwave version",
        )
    found = sha256(weights).hexdigest()
    if found != wanted:
        raise ModelError(
            got=f"weights with hash {found[:12]} in {folder}",
            expected=f"{str(wanted)[:12]}, as config.json says",
            do="copy the folder again: the file is damaged or from another model",
        )
    return config, weights
