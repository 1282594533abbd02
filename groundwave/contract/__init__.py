"""What models accept: one contract for each modality, in `CONTRACTS`.

A contract checks and normalises what a record holds under the key `modality` (`prepare`), cuts what is too long into
windows (`windows`) and turns them into the real channels that a network sees (`channels`).
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

from groundwave.contract.array import ArrayContract
from groundwave.contract.csi import CSIContract
from groundwave.contract.image import DepthContract, RGBContract
from groundwave.contract.iq import InputContract
from groundwave.contract.spectrogram import SpectrogramContract
from groundwave.errors import ContractError, lookup

Contract = InputContract | SpectrogramContract | CSIContract | ArrayContract | RGBContract | DepthContract
C = TypeVar("C", InputContract, SpectrogramContract, CSIContract, ArrayContract, RGBContract, DepthContract)

CONTRACTS: Mapping[str, type[Contract]] = {
    "iq": InputContract,
    "spec": SpectrogramContract,
    "csi": CSIContract,
    "array": ArrayContract,
    "rgb": RGBContract,
    "depth": DepthContract,
}

__all__ = [
    "CONTRACTS",
    "ArrayContract",
    "CSIContract",
    "Contract",
    "DepthContract",
    "InputContract",
    "RGBContract",
    "SpectrogramContract",
    "demanded",
    "identity",
    "restored",
]

# Fields that came later, and what held before there was a choice.
ADDED = {"window": "hann", "frame_s": None, "sample_rates_hz": None}


def identity(contract: Contract) -> dict[str, Any]:
    """Return what tells a contract from others, for hashes and `run.json`.

    A field of `ADDED` counts only where it differs, so that runs and rows from before it keep their place.
    """
    return {name: value for name, value in asdict(contract).items() if (name, value) not in ADDED.items()}


def restored(saved: Mapping[str, Any]) -> Contract:
    """Return the contract whose fields JSON kept.

    Raises:
        UnknownNameError: of a modality that there is not.
        ContractError: fields that this modality does not have, or that no input could keep.
    """
    kind = lookup(CONTRACTS, saved.get("modality", "iq"), "modality")
    if strange := saved.keys() - {field.name for field in fields(kind)}:
        names = ", ".join(sorted(strange))
        known = ", ".join(field.name for field in fields(kind))
        raise ContractError(f"an input contract with {names}", f"some of {known}", "correct the contract")
    values: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in saved.items()}
    return kind(**values)


def demanded(contract: Contract, kind: type[C], purpose: str) -> C:
    """Return a contract that must be of one kind for a purpose; raises `ContractError` for another modality."""
    if not isinstance(contract, kind):
        wanted = next(modality for modality, known in CONTRACTS.items() if known is kind)
        raise ContractError(
            got=f"a model of {contract.modality!r}",
            expected=f"one of {wanted!r} {purpose}",
            do="choose another model: `groundwave list models`",
        )
    return contract
