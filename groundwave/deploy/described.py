"""What an exported file says of itself, believed only where it fits the file: it may come from anywhere."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from groundwave.contract import InputContract, demanded, restored
from groundwave.data.typed import COUNT, NUMBER, OBJECT, TEXT, check_fields
from groundwave.errors import ModelError

MOST_SAMPLES = 1 << 20  # of a window, over all antennas: a stream holds 64 windows at once, half a gigabyte of these
KINDS = {"classes": TEXT.each(), "record": COUNT.each(), "input_contract": OBJECT, "sample_rate_range": NUMBER.each()}
AGAIN = "export the model again"


@dataclass(frozen=True)
class Described:
    """A file that names the class of windows of IQ.

    Args:
        classes: names of the probabilities.
        num_antennas: channels of a window.
        num_samples: length of a window.
        input: name of its input.
        interleaved: whether I and Q come in turns.
        one_by_one: whether it takes one record at a time.
    """

    classes: tuple[str, ...]
    num_antennas: int
    num_samples: int
    input: str
    interleaved: bool
    one_by_one: bool


def described(session: Any, path: Path) -> Described:
    """Return what a file is, after asking it about silence.

    Args:
        session: of ONNX Runtime.
        path: what errors call it.

    Raises:
        ModelError: a file that is not of IQ, that names no classes, or does not do as it says.
        DataError: metadata that are missing or of another type.
        ContractError: a contract that no input could keep, or one of another modality.
    """
    told = session.get_modelmeta().custom_metadata_map
    try:
        fields = {key: json.loads(told[key]) for key in KINDS if key in told}
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} with metadata that are no JSON ({error})", f"{', '.join(KINDS)}", AGAIN) from error
    check_fields(fields, KINDS, str(path), required=("classes", "record", "input_contract"), do=AGAIN)
    contract = demanded(restored(fields["input_contract"]), InputContract, "to name what is in a stream")
    _check_record(path, contract, fields["record"])
    if (rates := fields.get("sample_rate_range")) and tuple(rates) != contract.oversampling:
        raise ModelError(f"{path} for rates of {rates}", f"{list(contract.oversampling)}, as its contract says", AGAIN)
    return _fitting(session, path, tuple(fields["classes"]), *fields["record"])


def _check_record(path: Path, contract: InputContract, record: list[int]) -> None:
    """Raise `ModelError` for a record that the contract does not take, or that is too large to be one."""
    low, high = contract.min_samples, contract.max_samples
    if len(record) != 2 or record[0] != contract.num_antennas or not low <= record[1] <= high:
        raise ModelError(
            got=f"{path} of records {record}"[:200],
            expected=f"[antennas, samples] = [{contract.num_antennas}, {low} to {high}], as its contract says"[:200],
            do=AGAIN,
        )
    if record[0] * record[1] > MOST_SAMPLES:
        raise ModelError(
            got=f"{path} of records of more than {MOST_SAMPLES} samples",
            expected="fewer, of all antennas together",
            do="export the model with a smaller --num-samples",
        )


def _fitting(session: Any, path: Path, classes: tuple[str, ...], num_antennas: int, num_samples: int) -> Described:
    """Return the description if the graph takes such records and answers with these classes."""
    inputs = session.get_inputs()
    shapes = {(2 * num_antennas, num_samples): False, (num_antennas, 2 * num_samples): True}  # whether interleaved
    fitting = [size for size in shapes if len(inputs) == 1 and _takes(inputs[0], size)]
    if not fitting:
        raise ModelError(
            got=f"{path}, which takes {', '.join(f'{one.name} {one.type} {one.shape}' for one in inputs)}"[:300],
            expected=f"float [batch, {2 * num_antennas}, {num_samples}], or I and Q in turns, as its metadata say",
            do=AGAIN,
        )
    size = fitting[0]
    if not classes or not all(classes):
        raise ModelError(
            got=f"{path} with {len(classes)} classes{', some without a name' * bool(classes)}",
            expected="a file that names the class of a window of IQ",
            do="adapt a model of IQ and export that",
        )
    answered = session.run(None, {inputs[0].name: np.zeros((1, *size), np.float32)})[0].shape
    if answered != (1, len(classes)):
        raise ModelError(
            got=f"{path}, which answers {list(answered)} to one record",
            expected=f"[1, {len(classes)}]: a probability for each class that it names",
            do=AGAIN,
        )
    one_by_one = inputs[0].shape[0] == 1
    return Described(classes, num_antennas, num_samples, inputs[0].name, shapes[size], one_by_one)


def _takes(given: Any, size: tuple[int, int]) -> bool:
    """Return whether an input is float32 records of a size; an axis with a name is free."""
    if given.type != "tensor(float)" or len(given.shape) != 3:
        return False
    return all(not isinstance(axis, int) or axis == wanted for axis, wanted in zip(given.shape[1:], size, strict=True))
