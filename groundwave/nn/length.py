"""Networks with a dense layer over time take one length, and convolutions without padding need enough samples."""

from torch import Tensor

from groundwave.errors import ContractError


def check_length(x: Tensor, shortest: int, longest: int | None = None) -> None:
    """Raise `ContractError` unless `x` float32 `[B, channels, time]` has `shortest` to `longest` samples."""
    found = x.shape[-1]
    if found < shortest:
        expected = f"at least {shortest}" if longest != shortest else f"{shortest}"
        raise ContractError(f"{found} samples", expected, "give longer records or build the network for this length")
    if longest is not None and found > longest:
        raise ContractError(f"{found} samples", f"{longest}", "crop the records or build the network for this length")
