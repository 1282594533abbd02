"""One ONNX file that describes itself: normalisation, FFT and softmax are inside the graph."""

import json
import logging
import warnings
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from groundwave import __version__
from groundwave.contract import InputContract, demanded
from groundwave.data.atomic import write_atomically
from groundwave.errors import ContractError, GroundwaveError, ModelError, OutputExistsError
from groundwave.model import Model
from groundwave.rng import generator

OPSET = 18  # the first with the reductions that PyTorch's exporter writes
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


class Graph(nn.Module):
    """What is exported: the model's door, backbone and head as one function of float32 channels.

    Args:
        model: its networks are shared, not copied.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.backbone, self.head = model.backbone, model.head
        self.num_antennas = _contract(model).num_antennas

    def forward(self, iq: Tensor) -> Tensor:
        """Map channels `[batch, 2 * antennas, time]` at any level to probabilities, or to features without a head."""
        power = iq.square().mean(dim=(1, 2), keepdim=True) * 2  # of a complex sample: I and Q together
        features = self.backbone(iq / power.clamp_min(1e-30).sqrt())
        return features if self.head is None else self.head(features).softmax(dim=-1)  # type: ignore[no-any-return]


def export(model: Model, out: Path, *, num_samples: int | None = None, tolerance: float = 1e-4) -> Path:
    """Write a model as ONNX after checking with ONNX Runtime that it computes what PyTorch computes.

    Input `iq` is float32 `[batch, 2 * antennas, num_samples]`, rows I and Q (I0, Q0, I1, Q1, ... with antennas), at any
    level. Output is `probabilities` `[batch, classes]`, or `features` `[batch, D]` for a model without a head.

    Args:
        model: any model.
        out: a path that does not exist yet, by custom ending in `.onnx`.
        num_samples: fixed length of the input; the contract's by default.
        tolerance: largest difference from PyTorch, relative to the largest output (or to 1 where that is larger).

    Raises:
        OutputExistsError: `out` exists.
        ContractError: a length that the model does not take whole, or a model of anything but IQ.
        ModelError: the file would compute something else than the model; nothing is written.
        GroundwaveError: the packages of the extra `deploy` are not installed.
    """
    out = Path(out)
    _check(model, out, num_samples)
    num_samples = num_samples or _contract(model).num_samples
    model.modules().eval()
    graph = Graph(model).eval()
    example = torch.ones(2, 2 * graph.num_antennas, num_samples)
    output = "features" if graph.head is None else "probabilities"
    content = converted(graph, (example,), ["iq"], [output], describe(model, num_samples))
    _check_parity(content, graph, num_samples, tolerance)
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


def _check(model: Model, out: Path, num_samples: int | None) -> None:
    check_packages()
    if out.exists():
        raise OutputExistsError(out)
    low, high = _contract(model).min_samples, _contract(model).max_samples
    if num_samples is not None and not low <= num_samples <= high:
        raise ContractError(
            f"num_samples={num_samples}", f"{low} to {high}", "choose a length that the model takes whole"
        )


def _contract(model: Model) -> InputContract:
    return demanded(model.contract, InputContract, "to export")


def describe(model: Model, num_samples: int) -> dict[str, str]:
    """Return the file's metadata: what live tools need to feed it, and where it comes from. All values are strings.

    `input_size`, `history_depth`, `normalise_mode` and `architecture` are the keys that GNU Radio 4 reads.
    """
    contract = _contract(model)
    return {
        "input_size": str(num_samples),
        "history_depth": str(2 * contract.num_antennas),
        "normalise_mode": "None",
        "architecture": str(model.spec["backbone"]["name"]),
        "classes": json.dumps(list(model.classes)),
        "input": "float32 [batch, 2 * antennas, samples]; rows I and Q of each antenna, so history_depth rows, oldest"
        " sample first; batch may be any number, 1 for live tools",
        "normalisation": f"{contract.normalisation}, inside the graph",
        "output": "probabilities [batch, classes]" if model.head else f"features [batch, {model.num_features}]",
        "sample_rate": "{:g} to {:g} times the signal's bandwidth; the model never sees hertz".format(
            *contract.oversampling
        ),
        "num_antennas": str(contract.num_antennas),
        "model_card_sha256": sha256(model.card.encode()).hexdigest(),
        "groundwave_version": __version__,
        "opset": str(OPSET),
    }


def converted(
    graph: nn.Module, examples: tuple[Tensor, ...], inputs: list[str], outputs: list[str], metadata: dict[str, str]
) -> bytes:
    """Return a network as ONNX, with a free batch and without notes about this machine.

    Args:
        graph: takes the examples, one argument each.
        examples: inputs of any values, two records at least.
        inputs: their names.
        outputs: names of what it returns.
        metadata: what the file says of itself.
    """
    import onnx

    batch = torch.export.Dim("batch")
    shapes: Any = tuple({0: batch} for _ in examples)
    # The exporter tells of every torchvision operator that it does without.
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the exporter's own code
        program: Any = torch.onnx.export(
            graph,
            examples,
            dynamo=True,
            opset_version=OPSET,
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=shapes,
            verbose=False,
        )
    proto = program.model_proto
    _forget_source(proto)
    onnx.helper.set_model_props(proto, metadata)
    onnx.checker.check_model(proto, full_check=True)
    content: bytes = proto.SerializeToString()
    return content


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


def _check_parity(content: bytes, graph: Graph, num_samples: int, tolerance: float) -> None:
    session = start_session(content)
    batch_axis = session.get_inputs()[0].shape[0]
    if isinstance(batch_axis, int):
        raise ModelError(
            got=f"a network whose export takes batches of {batch_axis} only",
            expected="one whose code never turns the batch size into a number",
            do="look for len(x) in its forward and write x.shape[0]",
        )
    draw = generator(0, "export")
    noise = torch.randn(5, 2 * graph.num_antennas, num_samples, generator=draw)
    phase = torch.linspace(0, 0.1 * num_samples, num_samples).cumsum(0) / num_samples
    chirp = torch.stack([phase.cos(), phase.sin()]).repeat(graph.num_antennas, 1)
    for batch in (1, 5):
        for name, iq in (("noise", noise[:batch]), ("a signal", 30 * chirp + noise[:batch])):
            with torch.no_grad():
                wanted = graph(iq)
            found = torch.as_tensor(session.run(None, {"iq": iq.numpy()})[0])
            error = float((found - wanted).abs().max() / wanted.abs().max().clamp_min(1))
            if not error <= tolerance:
                raise ModelError(
                    got=f"an export that differs from the model by {error:.1e} on {name}, batch of {batch}",
                    expected=f"at most {tolerance:.1e}",
                    do="report this with the model; nothing was written",
                )


def start_session(model: bytes | Path) -> Any:
    """Return an ONNX Runtime session on the processor, one thread, as live tools run it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
