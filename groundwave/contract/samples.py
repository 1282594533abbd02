"""What contracts of complex samples share: two refusals, unit mean power, and windows that overlap by half."""

from collections.abc import Mapping

import torch
from torch import Tensor

from groundwave.contract.given import first_of
from groundwave.errors import ContractError


def check_complex(x: Tensor, layouts: Mapping[int, str]) -> None:
    """Raise `ContractError` for what is not complex or has another number of axes than the layouts, by that number."""
    if not x.is_complex() or x.dim() not in layouts:
        *others, last = layouts.values()
        raise ContractError(
            got=f"{x.dtype} samples of shape {tuple(x.shape)}",
            expected=f"complex samples {', '.join(others)} or {last}",
            do="combine I and Q into one complex array (i + 1j * q)",
        )


def check_length(x: Tensor, min_samples: int) -> None:
    """Raise `ContractError` for records `[..., time]` that are too short."""
    if x.shape[-1] < min_samples:
        raise ContractError(
            got=f"records of {x.shape[-1]} samples",
            expected=f"at least {min_samples}",
            do="give longer records; they are not padded, because padding changes what the model sees",
        )


def unit_power(x: Tensor, index: Tensor | None) -> Tensor:
    """Return complex `[B, ..., time]` at unit mean power; raises `ContractError` for records without a finite power."""
    power = x.abs().square().flatten(1).mean(dim=1)
    if not torch.isfinite(power).all():
        raise ContractError(
            got=f"NaN or infinite samples in record {first_of(~torch.isfinite(power), index)[0]}",
            expected="finite samples",
            do="repair or drop that record",
        )
    if (power == 0).any():
        raise ContractError(
            got=f"a record without any power (record {first_of(power == 0, index)[0]})",
            expected="a signal or noise",
            do="drop silent records before asking the model",
        )
    return x / power.sqrt().reshape(-1, *[1] * (x.dim() - 1))


def cut_long(x: Tensor, num_samples: int, max_samples: int) -> Tensor:
    """Cut what is longer than `max_samples` into windows that overlap by half: `[B, ..., time]` to `[B, W, ..., time]`.

    The last window ends at the end.
    """
    time = x.shape[-1]
    if time <= max_samples:
        return x[:, None]
    starts = [*range(0, time - num_samples, max(1, num_samples // 2)), time - num_samples]
    return torch.stack([x[..., s : s + num_samples] for s in starts], dim=1)
