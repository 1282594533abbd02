"""What a network costs: multiplications, weights, memory, and measured time."""

import time
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Cost(NamedTuple):
    """What one forward pass takes.

    Attributes:
        macs: multiplications with their additions, in products of matrices and kernels, recurrent layers included.
        parameters: weights that training changes.
        bytes: what weights and buffers take.
        peak_bytes: most memory of what the pass makes, at any time; its input and the weights are not in it.
    """

    macs: int
    parameters: int
    bytes: int
    peak_bytes: int


class Latency(NamedTuple):
    """Wall-clock seconds of repeated calls."""

    p50: float
    p95: float


@torch.no_grad()
def cost(network: nn.Module, *inputs: Any) -> Cost:
    """Count what a network in evaluation mode does with an input.

    Operations are counted where PyTorch carries them out, not by layers, because functions that take a layer's weights
    are no calls of that layer. Elementwise work and Fourier transforms are not in `macs`.
    """
    network.eval()
    with _Meter() as meter:
        network(*inputs)
    tensors = [*network.parameters(), *network.buffers()]
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    return Cost(meter.macs, sum(p.numel() for p in network.parameters()), size, meter.peak)


class _Meter(TorchDispatchMode):
    """Counts multiplications, and the bytes of tensors from when they are made to when they are let go."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.macs, self.peak, self._live = 0, 0, 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        for given in torch.utils._pytree.tree_leaves((args, kwargs)):
            if isinstance(given, Tensor):
                self._known.add(given.untyped_storage()._cdata)
        made = func(*args, **kwargs)
        self.macs += _macs(func, args, kwargs, made)
        for tensor in torch.utils._pytree.tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._note(tensor)
        return made

    def _note(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata in self._known:
            return
        self._known.add(storage._cdata)
        self._live += storage.nbytes()
        self.peak = max(self.peak, self._live)
        weakref.finalize(storage, self._let_go, storage._cdata, storage.nbytes())

    def _let_go(self, key: int, num_bytes: int) -> None:
        self._known.discard(key)
        self._live -= num_bytes


def _macs(func: Any, args: Any, kwargs: Any, made: Any) -> int:
    if func._overloadpacket is torch.ops.aten.mkldnn_rnn_layer:
        x, from_input, from_hidden = args[:3]
        return int(x.numel() // x.shape[-1]) * int(from_input.numel() + from_hidden.numel())
    if func._overloadpacket is torch.ops.aten._scaled_dot_product_flash_attention_for_cpu:
        query, key = args[:2]
        return int(2 * query.numel() * key.shape[-2])
    counted = flop_registry.get(func._overloadpacket)
    return 0 if counted is None else int(counted(*args, **kwargs, out_val=made)) // 2


def measure(call: Callable[[], object], num_runs: int = 50, num_before: int = 5) -> Latency:
    """Return the median and the 95 % quantile of the seconds that a call takes, after some that are not counted."""
    for _ in range(num_before):
        call()
    seconds = []
    for _ in range(num_runs):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    found = torch.tensor(seconds, dtype=torch.float64).quantile(torch.tensor([0.5, 0.95], dtype=torch.float64))
    return Latency(float(found[0]), float(found[1]))
