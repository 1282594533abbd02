"""Eight-bit integers: an ONNX file whose matrices and kernels are quantised, channel by channel."""

import logging
import tempfile
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from groundwave.errors import DataError, GroundwaveError, ModelError

OPERATORS = ("Conv", "Gemm", "MatMul")  # what integers make faster; everything else stays as it is
PACKAGES = ("onnx", "onnxruntime")


def quantize(content: bytes, records: Tensor, *, batch_size: int = 32) -> bytes:
    """Return an ONNX file that computes in integers of eight bits where that pays, with the metadata of the original.

    Static quantisation in QDQ form: weights symmetric with a scale for each output channel, activations with the range
    that they take on the records given. Labels play no role. Fourier transforms, norms and softmax stay in float32.

    Args:
        content: an ONNX file with one input, whose batch is free.
        records: what it takes, float32 `[N, ...]`: records such as it will see, some hundred.
        batch_size: records at once.

    Raises:
        GroundwaveError: the packages of the extra `deploy` are not installed.
        DataError: no records, records of another shape or of complex numbers, or records with NaN.
        ModelError: a file that is none, that has several inputs, or that has no operator to be quantised.
    """
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise GroundwaveError(
            got=f"no package {', '.join(missing)}",
            expected="the packages that write and run ONNX",
            do="install them: pip install 'groundwave[deploy]'",
        )
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    try:
        known = onnx.load_model_from_string(content)
    except Exception as error:  # of protobuf, which has its own
        raise ModelError(f"{len(content)} bytes that are no ONNX file", "one", "export the model again") from error
    if batch_size < 1:
        raise DataError(f"a batch_size of {batch_size}", "1 or more records at once", "leave it out")
    _check(known, records)
    reader = _Reader(known.graph.input[0].name, records, batch_size)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the quantiser's own code
        logging.getLogger().addFilter(_silent)  # it reports to the root logger that it has been asked to prepare
        paths = [Path(folder) / name for name in ("float.onnx", "prepared.onnx", "int8.onnx")]
        paths[0].write_bytes(content)
        try:
            quant_pre_process(str(paths[0]), str(paths[1]), skip_symbolic_shape=True)
            quantize_static(
                str(paths[1]),
                str(paths[2]),
                reader,
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=list(OPERATORS),
                calibrate_method=CalibrationMethod.MinMax,
                extra_options={"WeightSymmetric": True},
            )
        finally:
            logging.getLogger().removeFilter(_silent)
        made = onnx.load_model(str(paths[2]))
    notes = {prop.key: prop.value for prop in known.metadata_props}
    onnx.helper.set_model_props(made, {**notes, "quantisation": "INT8 QDQ, per channel"})
    result: bytes = made.SerializeToString()
    return result


def _silent(_: logging.LogRecord) -> bool:
    return False


def _check(known: Any, records: Tensor) -> None:
    """Raise unless there is something to quantise, and records to do it by."""
    if not any(node.op_type in OPERATORS for node in known.graph.node):
        found = ", ".join(sorted({node.op_type for node in known.graph.node}))
        raise ModelError(
            got=f"a file with {found}",
            expected=f"at least one of {', '.join(OPERATORS)}",
            do="keep it in float32: integers would not make it faster",
        )
    if len(known.graph.input) != 1 or records.is_complex():
        raise DataError(
            got=f"{records.dtype} records for a file with {len(known.graph.input)} inputs",
            expected="real numbers for one input",
            do="give what the file takes: I and Q as rows, as `to_channels` makes them",
        )
    sizes = [dim.dim_value for dim in known.graph.input[0].type.tensor_type.shape.dim][1:]
    given = list(records.shape[1:])
    if len(records) == 0 or len(sizes) != len(given) or any(a and a != b for a, b in zip(sizes, given, strict=True)):
        raise DataError(
            got=f"{len(records)} records of {given} to calibrate on",
            expected=f"some of {sizes}",
            do="give records such as the model takes",
        )
    if not bool(records.isfinite().all()):
        raise DataError("NaN or infinite values to calibrate on", "finite ones", "repair or drop those records")


class _Reader:
    """Hands records to ONNX Runtime's calibration, batch by batch."""

    def __init__(self, name: str, records: Tensor, batch_size: int) -> None:
        self._batches: Iterator[dict[str, np.ndarray[Any, Any]]] = (
            {name: batch.numpy()} for batch in records.float().split(batch_size)
        )

    def get_next(self) -> dict[str, np.ndarray[Any, Any]] | None:
        """Return the next batch, None after the last."""
        return next(self._batches, None)
