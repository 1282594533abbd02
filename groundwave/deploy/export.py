"""One ONNX file that describes itself: transforms, normalisation and softmax are inside the graph."""

import json
import logging
import re
import tempfile
import warnings
from dataclasses import asdict, replace
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from groundwave import __version__
from groundwave.atomic import write_atomically
from groundwave.contract import InputContract, SpectrogramContract
from groundwave.deploy.graphs import GRAPHS, Graph, Layout, Size
from groundwave.errors import ContractError, GroundwaveError, ModelError, OutputExistsError, lookup
from groundwave.model import Model
from groundwave.rng import generator

OPSET = 18  # the first with the reductions that PyTorch's exporter writes
SUFFIXES = (".onnx", ".ort")
PACKAGES = ("onnx", "onnxscript", "onnxruntime")

Shapes = Literal["static", "batch", "free"]


def export(
    model: Model,
    out: Path,
    *,
    num_samples: int | None = None,
    size: Size | None = None,
    layout: Layout = "rows",
    shapes: Shapes = "batch",
    records: Tensor | None = None,
    tolerance: float = 1e-4,
) -> Path:
    """Write a model as ONNX after checking with ONNX Runtime that it computes what the model computes.

    The input is float32 `[batch, rows, columns]`. Of models of IQ and of spectrograms it is `iq` at any level, with
    rows I and Q (I0, Q0, I1, Q1, ... with antennas) or one row of I and Q in turns; of models of CSI it is `csi`, one
    row for each packet. The output is `probabilities` `[batch, classes]`, of each cell `[batch, classes, freq, time]`,
    or `features` `[batch, D]` for a model without a head.

    Args:
        model: any model; of one with exits the whole network is written.
        out: a path that does not exist yet and ends in `.onnx`, or in `.ort` for ONNX Runtime's own format.
        num_samples: length of the input of a model of IQ; the contract's by default.
        size: subcarriers and packets of the input of a model of CSI.
        layout: of IQ, `rows` or `interleaved`.
        shapes: `static` is one record at a time; `batch` any number of them; `free` also any length of IQ that the
            model takes whole.
        records: real ones to compare on, complex `[B, antenna, time]` or `[B, antenna, subcarrier, packet]`, beside
            noise and a made signal.
        tolerance: largest difference from PyTorch, relative to the largest output (or to 1 where that is larger).

    Raises:
        OutputExistsError: `out` exists.
        ContractError: a size that the model does not take.
        ModelError: an operator that ONNX does not have, or a file that would compute something else than the model;
            nothing is written.
        GroundwaveError: the packages of the extra `deploy` are not installed, or `out` ends otherwise.
    """
    out = Path(out)
    check_packages()
    check_file(out)
    model = replace(model, exits=None)
    graph = lookup(GRAPHS, model.contract.modality, "modality to export")(model, num_samples, size, layout)
    low, high = graph.lengths or (0, 0)
    if shapes == "free" and low == high:
        what = f"records of {low} samples, no more and no less" if low else repr(model.contract.modality)
        raise ContractError(
            got=f"--shapes free for a model of {what}",
            expected="a model of IQ that takes several lengths",
            do="choose --shapes batch",
        )
    model.modules().eval()
    example = torch.ones(1 if shapes == "static" else 2, graph.rows, graph.columns)
    notes = {**describe(model, graph), "shapes": shapes, "tolerance": str(tolerance)}
    content = converted(graph.eval(), (example,), [graph.name], [graph.output], notes, _dims(graph, shapes))
    content = as_ort(content) if out.suffix == ".ort" else content
    _check_shapes(content, shapes)
    _check_parity(content, model, graph, shapes, records, tolerance)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, content)
    return out


def check_packages() -> None:
    """Raise `GroundwaveError` unless the packages that write and run ONNX are installed."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise GroundwaveError(
            got=f"no package {', '.join(missing)}",
            expected="the packages that write and run ONNX",
            do="install them: pip install 'groundwave[deploy]'",
        )


def check_file(out: Path) -> None:
    """Raise unless `out` does not exist yet and its suffix names a format: others would hold ONNX under a false name.

    Raises:
        OutputExistsError: it exists.
        GroundwaveError: it has another suffix, or none.
    """
    if out.exists():
        raise OutputExistsError(out)
    if out.suffix not in SUFFIXES:
        raise GroundwaveError(
            got=f"the output {out}",
            expected=f"a file that ends in {' or '.join(SUFFIXES)}",
            do="name it so; only --exits split writes a folder, which has no suffix",
        )


def describe(model: Model, graph: Graph) -> dict[str, str]:
    """Return the file's metadata: what live tools need to feed it, and where it comes from. All values are strings.

    `input_size`, `history_depth`, `normalise_mode` and `architecture` are the keys that GNU Radio 4 reads.
    """
    contract = model.contract
    told = {
        "input_size": str(graph.columns),
        "history_depth": str(graph.rows),
        "normalise_mode": "None",
        "architecture": str(model.spec["backbone"]["name"]),
        "classes": json.dumps(list(model.classes)),
        "input": f"{graph.name}: float32 [batch, {graph.rows}, {graph.columns}]; {graph.words}",
        "input_contract": json.dumps(asdict(contract)),
        "normalisation": f"{contract.normalisation}, inside the graph",
        "output": _meaning(model),
        "record": json.dumps(graph.shape),
        "num_antennas": str(graph.shape[0]),
        "model_card_sha256": sha256(model.card.encode()).hexdigest(),
        "groundwave_version": __version__,
        "opset": str(OPSET),
    }
    if isinstance(contract, InputContract):
        low, high = contract.oversampling
        words = "times the signal's bandwidth; the model never sees hertz"
        told |= {"sample_rate": f"{low:g} to {high:g} {words}", "sample_rate_range": json.dumps([low, high])}
    elif contract.modality == "array":
        told["sample_rate"] = "any that holds the source's band; the model never sees hertz"
    elif isinstance(contract, SpectrogramContract) and contract.frame_s is not None:
        rate_hz = contract.num_averaged * contract.hop / contract.frame_s
        told["sample_rate"] = f"{rate_hz:g} Hz: a frame lasts {contract.frame_s:g} s, as those it was trained on"
    elif contract.modality == "spec":
        told["sample_rate"] = "that of the recordings the model was trained on: a cell is a share of the band"
    else:
        told["sample_rate"] = "packets as regular and as frequent as those the model was trained on"
    return told


def _meaning(model: Model) -> str:
    if model.head is None:
        return f"features [batch, {model.num_features}]"
    if hasattr(model.head, "meaning"):
        return str(model.head.meaning)
    shape = "[batch, classes]"
    if model.contract.modality == "spec" and "patch" in model.spec["head"]["args"]:
        shape = "[batch, classes, freq, time] of each cell, frequency ascending, DC in the middle"
    return f"probabilities {shape}, in the order of classes"


def _dims(graph: Graph, shapes: Shapes) -> Any:
    """Return which axes of the input are free, as PyTorch's exporter wants it."""
    if shapes == "static":
        return None
    batch = {0: torch.export.Dim("batch")}
    if shapes == "batch" or graph.lengths is None:
        return (batch,)
    low, high = graph.lengths
    length = torch.export.Dim("samples", min=low, max=high)
    return ({**batch, 2: 2 * length if graph.columns_per_sample == 2 else length},)


def converted(
    graph: nn.Module,
    examples: tuple[Tensor, ...],
    inputs: list[str],
    outputs: list[str],
    metadata: dict[str, str],
    dims: Any,
) -> bytes:
    """Return a network as ONNX, without notes about this machine.

    Args:
        graph: takes the examples, one argument each.
        examples: inputs of any values.
        inputs: their names.
        outputs: names of what it returns.
        metadata: what the file says of itself.
        dims: which axes of the inputs are free, as `torch.onnx.export` has it; None: none.

    Raises:
        ModelError: an operator that ONNX does not have; it is named.
    """
    import onnx

    # The exporter tells of every torchvision operator that it does without, and of each way that it tries in vain.
    for chatty in ("torch.onnx._internal.exporter._registration", "torch._guards"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the exporter's own code
        try:
            program: Any = torch.onnx.export(
                graph,
                examples,
                dynamo=True,
                opset_version=OPSET,
                input_names=inputs,
                output_names=outputs,
                dynamic_shapes=dims,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            raise _no_path(_culprit(error)) from error
    proto = program.model_proto
    _forget_source(proto)
    onnx.helper.set_model_props(proto, metadata)
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise _no_path(f"code whose export ONNX refuses ({str(error).splitlines()[0]})") from error
    content: bytes = proto.SerializeToString()
    return content


def _no_path(culprit: str) -> ModelError:
    return ModelError(
        got=f"a network with {culprit}",
        expected="operators that PyTorch can write as ONNX",
        do="use another backbone or head, choose --shapes batch where lengths were free, or write that layer otherwise",
    )


def _culprit(error: Exception) -> str:
    """Return the operator that an exporter's error is about."""
    text = str(error)
    named = re.search(r"No ONNX function found for <OpOverload\(op='([\w.:]+)'", text)
    named = named or re.search(r"translating node.*?target=torch\.ops\.([\w.]+)\]", text, re.DOTALL)
    if named:
        return f"the operator {named[1]}, which has no ONNX form"
    first = re.search(r"<class '[\w.]+'>: ([^\n]+)", text)
    return f"code that cannot be traced ({first[1] if first else text.splitlines()[0]})"


def _forget_source(proto: Any) -> None:
    """Remove the exporter's notes (file names and lines of this machine) from every node and value."""
    graph = proto.graph
    for part in [
        graph,
        *graph.node,
        *graph.initializer,
        *graph.input,
        *graph.output,
        *graph.value_info,
        *proto.functions,
    ]:
        del part.metadata_props[:]
        part.doc_string = ""


def as_ort(content: bytes) -> bytes:
    """Return an ONNX file in ONNX Runtime's own format, metadata and all; minimal builds load nothing else."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.save_model_format", "ORT")
    # Nothing that only this machine's processor can do: the layouts of the last level are made for it.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.ort"
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        return path.read_bytes()


def _check_shapes(content: bytes, shapes: Shapes) -> None:
    """Raise `ModelError` where the network's code has turned a free axis into a number."""
    batch, _, columns = start_session(content).get_inputs()[0].shape
    if shapes != "static" and isinstance(batch, int):
        raise ModelError(
            got=f"a network whose export takes batches of {batch} only",
            expected="one whose code never turns the batch size into a number",
            do="look for len(x) in its forward and write x.shape[0]",
        )
    if shapes == "free" and isinstance(columns, int):
        raise ModelError(
            got=f"a network whose export takes inputs of {columns} columns only",
            expected="one that computes any length alike; Fourier transforms of the whole record do not",
            do="choose --shapes batch, and --num-samples",
        )


def _check_parity(
    content: bytes, model: Model, graph: Graph, shapes: Shapes, records: Tensor | None, tolerance: float
) -> None:
    """Raise `ModelError` unless a file answers as the model does, door and all."""
    session = start_session(content)
    for name, given in _trials(graph, shapes, records):
        wanted = model.embed(graph.for_model(given)) if model.head is None else model.predict(graph.for_model(given))
        rows = graph.laid_out(given).split(1 if shapes == "static" else len(given))
        found = torch.cat([torch.as_tensor(session.run(None, {graph.name: some.numpy()})[0]) for some in rows])
        error = float((found - wanted).abs().max() / wanted.abs().max().clamp_min(1))
        if not error <= tolerance:
            raise ModelError(
                got=f"an export that differs from the model by {error:.1e} on {name}",
                expected=f"at most {tolerance:.1e}",
                do="raise the tolerance where that does not matter; nothing was written",
            )


def _trials(graph: Graph, shapes: Shapes, records: Tensor | None) -> list[tuple[str, Tensor]]:
    """Return complex records to compare on: noise, a signal in it, real ones; of all lengths where that is free."""
    draw = generator(0, "export")
    lengths = {graph.shape[-1], *(graph.lengths or () if shapes == "free" else ())}
    found = []
    for length in sorted(lengths):
        noise = torch.randn(3, *graph.shape[:-1], length, generator=draw, dtype=torch.complex64)
        turn = torch.linspace(0, 0.1 * length, length).cumsum(0) / length
        signal = 30 * torch.polar(torch.ones(length), turn) + noise
        found += [("noise", noise), ("a signal", signal), ("one record", signal[:1])]
    return found if records is None else [*found, ("the records given", records)]


def start_session(model: bytes | Path) -> Any:
    """Return an ONNX Runtime session on the processor, one thread, as live tools run it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
