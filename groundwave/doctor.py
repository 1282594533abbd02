"""What works on this machine, what is missing, and what to do about it."""

import platform
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, NamedTuple

from groundwave import __version__

REQUIRED = ("torch", "numpy", "scipy", "lightning", "torchmetrics", "sklearn", "sigmf", "h5py", "zarr", "safetensors")
OPTIONAL = {  # the command that needs it, and the extra that brings it
    **dict.fromkeys(("onnx", "onnxscript", "onnxruntime"), ("export", "deploy")),
    "zmq": ("stream sub:ADDRESS", "stream"),
    **dict.fromkeys(("fastapi", "uvicorn"), ("serve", "serve")),
}
PROJECTS = {"sklearn": "scikit-learn", "zmq": "pyzmq"}

# What a processor's flag is good for here.
FLAGS = {
    "amx_bf16": "bf16 matrix unit: training in bf16-mixed is about 4 times faster than in 32 bits",
    "avx512_vnni": "8-bit arithmetic: quantised networks are fast",
    "avx_vnni": "8-bit arithmetic: quantised networks are fast",
    "amx_int8": "8-bit matrix unit: quantised networks are fast",
}


class Finding(NamedTuple):
    """One thing that was looked at: `broken` must be mended, `missing` may be."""

    state: Literal["ok", "missing", "broken"]
    what: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """Yield findings about Python, packages, processor, accelerator and packaged models."""
    yield Finding("ok", f"groundwave {__version__}, Python {platform.python_version()}, {platform.platform()}")
    for name in REQUIRED:
        yield _package(name, "broken", "install groundwave again: pip install groundwave")
    for name, (command, extra) in OPTIONAL.items():
        yield _package(name, "missing", f"for `groundwave {command}`: pip install 'groundwave[{extra}]'")
    yield from processor()
    yield accelerator()
    yield from models()


def _package(name: str, otherwise: Literal["missing", "broken"], remedy: str) -> Finding:
    project = PROJECTS.get(name, name)
    try:
        import_module(name)
        return Finding("ok", f"{project} {version(project)}")
    except (ImportError, PackageNotFoundError, OSError) as error:
        return Finding(otherwise, f"{project}: {error}", remedy)


def processor() -> Iterator[Finding]:
    """Yield what the processor's instruction sets are good for (known on Linux only)."""
    from groundwave.bench.rows import processor as name
    from groundwave.train import processor_flags

    flags = processor_flags()
    yield Finding("ok", f"processor {name()}")
    for flag, meaning in FLAGS.items():
        if flag in flags:
            yield Finding("ok", f"{flag}: {meaning}")
    if flags and "amx_bf16" not in flags:
        what = "no bf16 matrix unit: training computes in 32 bits, and is slower"
        yield Finding("missing", what, "no remedy on this processor; use a GPU")


def accelerator() -> Finding:
    """Return which accelerator PyTorch sees."""
    try:
        import torch
    except ImportError:
        return Finding("missing", "no accelerator, as PyTorch does not load")
    if torch.cuda.is_available():
        return Finding("ok", f"accelerator {torch.cuda.get_device_name(0)}")
    return Finding(
        "missing", "no accelerator; everything runs on the processor", "a PyTorch build for CUDA would use one"
    )


def models() -> Iterator[Finding]:
    """Yield whether each packaged model loads."""
    try:
        from groundwave.model import Model, packaged
    except ImportError as error:
        yield Finding("broken", f"models: {error}", "install groundwave again")
        return
    found = packaged()
    if not found:
        yield Finding(
            "missing", "no packaged model", "install groundwave from its wheel, or train one: groundwave pretrain"
        )
    for name in found:
        try:
            model = Model.load(name)
            yield Finding("ok", f"model {name}: {sum(p.numel() for p in model.modules().parameters()):,} parameters")
        except ValueError as error:
            yield Finding("broken", f"model {name}: {error}", "install groundwave again")


def show(findings: Iterator[Finding]) -> int:
    """Print findings as they come; return 1 if something is broken."""
    code = 0
    for state, what, remedy in findings:
        print(f"{state:8}{what}" + (f"\n{'':8}-> {remedy}" if remedy else ""), flush=True)
        code |= state == "broken"
    print("something required is broken" if code else "ready", file=sys.stderr if code else sys.stdout)
    return code
