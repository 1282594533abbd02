"""What one compressed form of a model gives and takes, measured alike for all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from safetensors.torch import save
from torch import Tensor

from groundwave.compress.cost import cost, measure
from groundwave.compress.thresholds import forced
from groundwave.deploy.export import start_session
from groundwave.model import Model
from groundwave.recipes.compress_parts import Part

AT_ONCE = 64  # records of a batch, for throughput and for accuracy
NUM_RUNS = 60

Answer = Callable[[Tensor], Tensor]  # inputs of the network to probabilities


@dataclass(frozen=True)
class Candidate:
    """A form of the model, and what it gives and takes.

    Args:
        title: what was done.
        backend: who computes.
        validation: accuracy on the records that choose.
        test: accuracy on records that choose nothing.
        by_snr: the same for each SNR, where there are several.
        parameters: weights.
        macs: multiplications for a record; with exits the mean over the test records.
        file_bytes: of the weights or the ONNX file.
        peak_bytes: of what a pass over one record makes, with exits over one that goes all the way; None for ONNX
            Runtime, which does not tell.
        p50_s: median wall-clock time of one record, over test records.
        p95_s: time that one record in twenty exceeds.
        per_second: records in batches of 64.
    """

    title: str
    backend: str
    validation: float
    test: float
    by_snr: Mapping[float, float]
    parameters: int
    macs: int
    file_bytes: int
    peak_bytes: int | None
    p50_s: float
    p95_s: float
    per_second: float

    def beside(self, base: "Candidate") -> str:
        """Say what has been won and lost against another form."""
        return (
            f"{self.title} in {self.backend}, {base.p50_s / self.p50_s:.1f} times as fast at batch 1, "
            f"{sized(base.file_bytes / self.file_bytes)}, "
            f"{100 * (self.test - base.test):+.1f} points on test"
        )


def sized(factor: float) -> str:
    """Say how much smaller a file is, or larger."""
    return f"{factor:.1f} times smaller" if factor >= 1 else f"{1 / factor:.1f} times larger"


def of_model(title: str, model: Model, parts: Mapping[str, Part]) -> Candidate:
    """Measure a model in PyTorch: one with exits lets records leave."""
    assert model.head is not None
    networks = model.modules().eval()

    @torch.no_grad()
    def answer(x: Tensor) -> Tensor:
        if model.exits is not None:
            return model.exits.answer(x, model.policy).probabilities
        return networks["head"](networks["backbone"](x)).softmax(dim=-1)  # type: ignore[no-any-return]

    macs, peak_bytes = _spent(model, answer, parts["test"].x)
    weights = len(save({name: tensor.contiguous() for name, tensor in networks.state_dict().items()}))
    return _measured(
        title,
        "PyTorch",
        answer,
        parts,
        parameters=sum(parameter.numel() for parameter in networks.parameters()),
        macs=macs,
        file_bytes=weights,
        peak_bytes=peak_bytes,
    )


@torch.no_grad()
def _spent(model: Model, answer: Answer, x: Tensor) -> tuple[int, int]:
    """Return the multiplications of a record, with exits the mean over where records leave, and the most memory."""
    if model.exits is None:
        found = cost(_Whole(answer), x[:1])
        return found.macs, found.peak_bytes
    ask, policies = model.exits.answer, forced(model.exits.num_exits)
    costs = [cost(_Whole(partial(ask, policy=policy)), x[:1]) for policy in policies]
    left = torch.cat([ask(some, model.policy).exit for some in x.split(AT_ONCE)])
    macs = torch.tensor([one.macs for one in costs], dtype=torch.float64)[left]
    return round(float(macs.mean())), max(one.peak_bytes for one in costs)


class _Whole(torch.nn.Module):
    """A function as a network."""

    def __init__(self, answer: Callable[[Tensor], object]) -> None:
        super().__init__()
        self._answer = answer

    def forward(self, x: Tensor) -> object:
        return self._answer(x)


def of_onnx(title: str, content: bytes, parts: Mapping[str, Part], like: Candidate) -> Candidate:
    """Measure an ONNX file in ONNX Runtime, one thread; it has as many weights as the model that it is `like`."""
    session = start_session(content)
    name = session.get_inputs()[0].name

    def answer(x: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {name: x.numpy()})[0])

    return _measured(
        title,
        "ONNX Runtime",
        answer,
        parts,
        parameters=like.parameters,
        macs=like.macs,
        file_bytes=len(content),
        peak_bytes=None,
    )


def _measured(
    title: str,
    backend: str,
    answer: Answer,
    parts: Mapping[str, Part],
    *,
    parameters: int,
    macs: int,
    file_bytes: int,
    peak_bytes: int | None,
) -> Candidate:
    right = {name: _right(answer, part) for name, part in parts.items() if name != "train"}
    x, snr_db = parts["test"].x, parts["test"].snr_db
    known = snr_db[~snr_db.isnan()].unique().tolist()
    singles = [row.contiguous() for row in x[torch.linspace(0, len(x) - 1, NUM_RUNS).long()].split(1)]
    turn = iter(range(10**9))
    # Records in turn, not one again and again: a network with exits takes another time for each.
    single = measure(lambda: answer(singles[next(turn) % len(singles)]), NUM_RUNS)
    batch = x[torch.arange(AT_ONCE) % len(x)]
    return Candidate(
        title=title,
        backend=backend,
        validation=float(right["validation"].double().mean()),
        test=float(right["test"].double().mean()),
        by_snr={value: float(right["test"][snr_db == value].double().mean()) for value in known},
        parameters=parameters,
        macs=macs,
        file_bytes=file_bytes,
        peak_bytes=peak_bytes,
        p50_s=single.p50,
        p95_s=single.p95,
        per_second=AT_ONCE / measure(lambda: answer(batch), 5, 1).p50,
    )


def _right(answer: Answer, part: Part) -> Tensor:
    """Return for which records the answer is right."""
    batches = zip(part.x.split(AT_ONCE), part.label.split(AT_ONCE), strict=True)
    return torch.cat([answer(x).argmax(dim=-1) == label for x, label in batches])
