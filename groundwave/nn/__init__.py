"""Layers and backbones. A backbone is one file and one line in `BACKBONES`; contract tests run over the table."""

from collections.abc import Callable

from torch import nn

from groundwave.nn.fft import SpectrumEncoder
from groundwave.nn.heads import CosineHead, LinearHead, MLPHead
from groundwave.nn.lsm import LSM
from groundwave.nn.welch import EnvelopeEncoder, WelchEncoder
from groundwave.nn.xcit import XCiT

BACKBONES: dict[str, Callable[..., nn.Module]] = {
    "envelope": EnvelopeEncoder,
    "lsm": LSM,
    "spectrum": SpectrumEncoder,
    "welch": WelchEncoder,
    "xcit": XCiT,
}

HEADS: dict[str, Callable[..., nn.Module]] = {
    "cosine": CosineHead,
    "linear": LinearHead,
    "mlp": MLPHead,
}
