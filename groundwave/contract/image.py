"""Pictures: colour on a scale of 0 to 1, and depth in metres; what both mean when whole numbers hold them."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from groundwave.contract.given import Given, first_of, taken
from groundwave.contracts import Record
from groundwave.data.typed import COUNT
from groundwave.errors import ContractError

RGB_NORMALISATION = "0 to -1, full scale to 1"
DEPTH_NORMALISATION = "3 m to 0, 1.5 m more to 1"
MIDDLE_M, UNIT_M = 3.0, 1.5
MILLIMETRES = 1000.0  # counts of 16-bit depths in a metre
ROUNDING = 1e-5  # beyond 0 to 1, where interpolated colours may come to lie
NO_RETURN = 65535  # what 16-bit cameras write where they measured nothing, beside 0
FARTHEST_M = 200.0  # beyond it, depths are surely in another unit


@dataclass(frozen=True)
class RGBContract:
    """What a model of pictures in colour accepts; what does not fit is adapted by the rule here, or refused.

    - Scale: numbers from 0 to 1. Whole numbers of 8 or 16 bits are divided by their full scale. Other numbers beyond 0
      to 1 are refused, as are those that are not finite.
    - Size: any from `min_side` pixels up on each side, taken whole. A smaller one is refused.
    - Channels: exactly `num_channels` (red, green, blue).
    """

    num_channels: int = 3
    min_side: int = 8
    modality: str = "rgb"
    normalisation: str = RGB_NORMALISATION

    def __post_init__(self) -> None:
        """Raise `ContractError` for a contract that no input could keep."""
        _check_fields(self, "rgb", RGB_NORMALISATION)

    def prepare(self, rgb: Given, index: Tensor | None = None) -> Tensor:
        """Return `rgb` as float32 `[B, channels, height, width]`, -1 to 1.

        Args:
            rgb: `[channels, height, width]` or `[B, channels, height, width]`, or a record that holds it.
            index: what errors call each record, int64 `[B]`; by default the record's own, or its position.

        Raises:
            ContractError: the input does not fit and no rule adapts it.
        """
        x, index = taken(rgb, self.modality, index)
        x = _sized(_scaled(x), self)
        bad = ~((x >= -ROUNDING) & (x <= 1 + ROUNDING)).flatten(1).all(1)
        if bad.any():
            raise ContractError(
                got=f"values that are not finite or not between 0 and 1 in record {first_of(bad, index)[0]}",
                expected="colours from 0 to 1, or whole numbers of 8 or 16 bits",
                do="divide by the full scale, or give the pictures as they were stored",
            )
        return 2 * x - 1

    def windows(self, x: Tensor) -> Tensor:
        """Return prepared pictures as one window each, `[B, 1, channels, height, width]`: they are taken whole."""
        return x[:, None]

    def channels(self, x: Tensor) -> Tensor:
        """Return prepared pictures as what a network sees: they are that already."""
        return x


@dataclass(frozen=True)
class DepthContract:
    """What a model of depths accepts; what does not fit is adapted by the rule here, or refused.

    - Unit: numbers with a fraction are metres. Whole numbers of 16 bits are millimetres. Those of 8 bits are refused,
      as nothing tells their unit.
    - Missing: zero or less, NaN, infinity, 65535 in 16 bits: refused, the error tells which record and how much of it.
    - Size: any from `min_side` pixels up on each side, taken whole. A smaller one is refused.
    - Level: 3 m become 0 and each 1.5 m more 1, for all records alike: how far things are is what depth tells.
    """

    num_channels: int = 1
    min_side: int = 8
    modality: str = "depth"
    normalisation: str = DEPTH_NORMALISATION

    def __post_init__(self) -> None:
        """Raise `ContractError` for a contract that no input could keep."""
        _check_fields(self, "depth", DEPTH_NORMALISATION)

    def prepare(self, depth: Given, index: Tensor | None = None) -> Tensor:
        """Return `depth` as float32 `[B, 1, height, width]`, 0 at 3 m and 1 a unit of 1.5 m.

        Args:
            depth: `[height, width]`, `[B, height, width]` or `[B, 1, height, width]`, or a record that holds it.
            index: what errors call each record, int64 `[B]`; by default the record's own, or its position.

        Raises:
            ContractError: the input does not fit and no rule adapts it.
        """
        x, index = taken(depth, self.modality, index)
        x = x[None] if x.dim() == 2 else x
        x = _sized(metres(x[:, None] if x.dim() == 3 else x), self)
        missing = ~(x.isfinite() & (x > 0))
        if missing.any():
            record = first_of(missing, index)[0]
            share = float(missing[int(missing.flatten(1).any(1).int().argmax())].float().mean())
            raise ContractError(
                got=f"no depth at {share:.1%} of the pixels of record {record}",
                expected="a depth for every pixel",
                do="fill holes from their neighbours (readers: fill=True; else `fill_missing`), or drop that record",
            )
        if float(x.max()) > FARTHEST_M:
            raise ContractError(
                got=f"depths up to {float(x.max()):.4g} m",
                expected=f"metres, at most {FARTHEST_M:g}",
                do="give metres, or 16-bit millimetres as whole numbers",
            )
        return (x - MIDDLE_M) / UNIT_M

    def windows(self, x: Tensor) -> Tensor:
        """Return prepared depths as one window each, `[B, 1, 1, height, width]`: they are taken whole."""
        return x[:, None]

    def channels(self, x: Tensor) -> Tensor:
        """Return prepared depths as what a network sees: they are that already."""
        return x


def metres(depth: Tensor) -> Tensor:
    """Return depths in metres, NaN where 16-bit ones say that nothing was measured; the rule is `DepthContract`'s.

    Raises:
        ContractError: whole numbers that are not 16-bit ones.
    """
    if depth.is_floating_point():
        return depth.float()
    if depth.dtype in (torch.uint16, torch.int16):
        counts = depth.to(torch.int32)
        return (counts / MILLIMETRES).masked_fill((counts <= 0) | (counts == NO_RETURN), torch.nan)
    bits = f"{8 * depth.element_size()}-bit" if depth.dtype is not torch.bool else "one-bit"
    raise ContractError(
        got=f"{bits} depths ({depth.dtype})".replace("torch.", ""),
        expected="16-bit millimetres, or metres with a fraction",
        do="multiply by the metres that one count stands for",
    )


def check_paired(record: Record) -> None:
    """Raise `ContractError` unless colour and depth of a batched record are as many pictures of one size."""
    rgb, depth = record["rgb"], record["depth"]
    if (len(rgb), rgb.shape[-2:]) != (len(depth), depth.shape[-2:]):
        told = (f"{len(x)} of {x.shape[-1]} by {x.shape[-2]} pixels" for x in (rgb, depth))
        raise ContractError(
            got="pictures in colour and depth that do not belong together: " + " and ".join(told),
            expected="a depth for each pixel of each picture",
            do="register the two cameras, and drop pictures without a partner",
        )


def _scaled(x: Tensor) -> Tensor:
    if x.dtype in (torch.uint8, torch.uint16):
        return x.to(torch.float32) / torch.iinfo(x.dtype).max
    return x


def _sized(x: Tensor, contract: Any) -> Tensor:
    """Return a batch of pictures as float32; raises `ContractError` for other shapes and types."""
    x = x[None] if x.dim() == 3 else x
    if not x.is_floating_point() or x.dim() != 4 or x.shape[1] != contract.num_channels:
        raise ContractError(
            got=f"{contract.modality} of {x.dtype} and shape {tuple(x.shape)}".replace("torch.", ""),
            expected=f"real numbers [records, {contract.num_channels}, height, width]",
            do="put channels before rows and columns",
        )
    if min(x.shape[-2:]) < contract.min_side:
        raise ContractError(
            got=f"pictures of {x.shape[-1]} by {x.shape[-2]} pixels",
            expected=f"at least {contract.min_side} by {contract.min_side}",
            do="give larger pictures; they are not padded, because padding changes what the model sees",
        )
    return x.float()


def _check_fields(contract: Any, modality: str, normalisation: str) -> None:
    if not all(map(COUNT.fits, (contract.num_channels, contract.min_side))):
        got, expected = f"num_channels, min_side {contract.num_channels, contract.min_side}", "whole numbers from 1 up"
    elif (contract.modality, contract.normalisation) != (modality, normalisation):
        got = f"modality {contract.modality!r} and normalisation {contract.normalisation!r}"
        expected = f"{modality!r} and {normalisation!r}, all that there is"
    else:
        return
    raise ContractError(f"an input contract with {got}", expected, "correct the contract")
