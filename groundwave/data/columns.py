"""Columns: what each record has one value of (label, group, SNR, ...)."""

from collections.abc import Sequence

from groundwave.errors import DataError


def uneven(name: str, shape: Sequence[int], num_records: int) -> DataError:
    """Return the error of a column of this shape that does not have one value for each record."""
    return DataError(
        got=f"{name} values of shape {list(shape)} for {num_records} records",
        expected="one for each record",
        do=f"check that `{name}` and `iq` come from the same file",
    )
