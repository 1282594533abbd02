"""Stand-ins for an accelerator, so that code for one can be tested without.

`Watch` notes the device that each draw asks for. The device `meta`, which has shapes but neither numbers nor
generators, and mixes with the processor as badly as a GPU does, stands in for it.
"""

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

DRAWS = {torch.rand, torch.randn, torch.randint, torch.randperm}


class Watch(TorchFunctionMode):
    """Notes the device that each draw asks for; makes the draws `elsewhere` when that is given."""

    def __init__(self, elsewhere: str | None = None) -> None:
        super().__init__()
        self.elsewhere, self.drawn = elsewhere, []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in DRAWS:
            self.drawn.append(kwargs.get("device"))
            if self.elsewhere:  # `meta` has no generators, so its draws are made without
                kwargs = {**kwargs, "generator": None, "device": self.elsewhere}
        return func(*args, **kwargs)


class MetaGenerator(torch.Generator):
    """A generator that says it lives on `meta`; `Watch(elsewhere="meta")` draws in its stead."""

    @property
    def device(self) -> torch.device:
        return torch.device("meta")
