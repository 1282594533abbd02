"""A model with exits as several ONNX files, of which a record needs only the first ones."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from groundwave.atomic import folder_atomically, write_atomically
from groundwave.contract import InputContract, demanded
from groundwave.deploy.export import check_packages, converted, describe, start_session
from groundwave.deploy.graphs import IQGraph, levelled, where_finite
from groundwave.errors import ContractError, GroundwaveError, ModelError
from groundwave.model import Model
from groundwave.nn.cuts import State, cut
from groundwave.nn.exits import RULES, MultiExit, Policy
from groundwave.nn.folded import folded
from groundwave.rng import generator

ONE_EXIT_RULES = ("confidence", "entropy", "margin")  # those that look at one exit alone
Array = npt.NDArray[Any]


class _Span(nn.Module):
    """What lies between one exit and the next.

    Args:
        network: with exits.
        number: of the span; the last one ends with the head.
        rule: name in `RULES`.
    """

    def __init__(self, network: MultiExit, number: int, rule: str) -> None:
        super().__init__()
        self.network, self.number, self.rule = network, number, rule
        self.parts = cut(network.backbone)
        self.start, self.stop = (0, *network.after, len(self.parts.steps))[number : number + 2]

    def forward(self, first: Tensor, second: Tensor | None = None) -> State:  # the exporter wants arguments with names
        """Map channels at any level, or the state at the last exit, to probabilities, doubt and the state here."""
        state: State = (first,) if second is None else (first, second)
        if self.number == 0:
            x, power = levelled(first)
            state = self.parts.begin(x)
        for step in self.parts.steps[self.start : self.stop]:
            state = step(state)
        if self.number == self.network.num_exits:
            return (self.network.head(self.parts.end(state)).softmax(dim=-1),)
        said = self.network.exits[self.number](self.parts.seen(state)).softmax(dim=-1)
        if self.number == 0:  # whoever is not finite leaves here: its doubt is NaN, too
            said = where_finite(said, power)
        return said, RULES[self.rule]([said]), *state


def export_split(model: Model, out: Path, *, tolerance: float = 1e-4) -> Path:
    """Write a model with exits as a folder `part-0.onnx`, `part-1.onnx`, ... and `policy.json`, after a check.

    The first part takes `iq` as `export` does. Every part but the last returns `probabilities`, `doubt` `[batch]` and
    what the next part takes, `state_0`, ...; a record goes on while its doubt is at least the part's threshold, so one
    with NaN, whose probabilities and doubt are NaN, is done at the first exit.

    Raises:
        OutputExistsError: `out` exists.
        ContractError: a model of anything but IQ.
        ModelError: a model without exits, a rule that looks back at earlier exits, or parts that answer otherwise than
            the model.
        GroundwaveError: the packages of the extra `deploy` are not installed.
    """
    check_packages()
    contract = demanded(model.contract, InputContract, "to export")
    if model.exits is None or model.policy.rule not in ONE_EXIT_RULES:
        raise ModelError(
            got="a model without exits" if model.exits is None else f"exits by {model.policy.rule}",
            expected=f"exits by {', '.join(ONE_EXIT_RULES)}",
            do="run `groundwave compress` first" if model.exits is None else "calibrate another rule",
        )
    model.modules().eval()
    network, policy, described = folded(model.exits), model.policy, describe(model, IQGraph(model))
    state: State = (torch.randn(2, contract.num_channels, contract.num_samples, generator=generator(0, "split")),)
    with folder_atomically(out) as draft, torch.no_grad():
        draft.mkdir()
        for k in range(network.num_exits + 1):
            span = _Span(network, k, policy.rule).eval()
            following = span(*state)
            names = [f"state_{i}" for i in range(len(state))] if k else ["iq"]
            told = ["probabilities", "doubt", *(f"state_{i}" for i in range(len(following) - 2))]
            outputs = told if k < network.num_exits else ["probabilities"]
            notes = {**described, "part": str(k), "threshold": str([*policy.thresholds, 1.0][k])}
            free: Any = tuple({0: torch.export.Dim("batch")} for _ in state)
            content = converted(span, state, names, _renamed(names, outputs), notes, free)
            write_atomically(draft / f"part-{k}.onnx", content)
            state = tuple(part.contiguous() for part in following[2:])
        write_atomically(draft / "policy.json", json.dumps(asdict(policy)).encode())
        _check_parity(model.exits, policy, draft, contract, tolerance)
    return out


def _renamed(inputs: list[str], outputs: list[str]) -> list[str]:
    """Return names of outputs that no input has: ONNX wants every name once."""
    return [f"next_{name}" if name in inputs else name for name in outputs]


class SplitModel:
    """What `export_split` wrote, run by ONNX Runtime; each part runs only if a record needs it.

    Args:
        folder: of the parts.
        policy: when a record leaves; as exported by default. Its rule is the exported one in any case.

    Raises:
        ModelError: no such folder, a broken one, or not one threshold for each exit.
        GroundwaveError: thresholds that are none.
    """

    def __init__(self, folder: Path, policy: Policy | None = None) -> None:
        check_packages()
        found = folder / "policy.json"
        if not found.is_file():
            raise ModelError(f"{folder} without policy.json", "a folder that `export_split` wrote", "export it again")
        policy = policy or _policy(found)
        if (num_exits := len(list(folder.glob("part-*.onnx"))) - 1) != len(policy.thresholds):
            raise ModelError(
                got=f"{len(policy.thresholds)} thresholds for {num_exits} exits",
                expected="one for each",
                do="calibrate the thresholds on the model that was exported",
            )
        self.thresholds = policy.thresholds
        self.hopeless = policy.hopeless or (math.inf,) * len(self.thresholds)
        try:
            self.parts = [start_session(folder / f"part-{k}.onnx") for k in range(len(self.thresholds) + 1)]
        except Exception as error:  # ONNX Runtime has errors of its own for every kind of broken file
            raise ModelError(
                f"{folder} with parts that cannot be run", "parts of `export_split`", "export it again"
            ) from error
        self.names = [[given.name for given in part.get_inputs()] for part in self.parts]
        self.outputs = [[told.name for told in part.get_outputs()] for part in self.parts]

    def answer(self, iq: Array) -> tuple[Array, Array]:
        """Return probabilities `[B, C]` and the exit of each record, int64 `[B]`.

        Args:
            iq: float32 `[B, 2 * antennas, samples]`, at any level.

        Raises:
            ContractError: another type or shape.
        """
        wanted = self.parts[0].get_inputs()[0].shape[1:]
        if iq.dtype != np.float32 or iq.ndim != 3 or list(iq.shape[1:]) != wanted:
            raise ContractError(
                got=f"{iq.dtype} of shape {list(iq.shape)}",
                expected=f"float32 [records, {', '.join(map(str, wanted))}]: I and Q of each antenna as rows",
                do="lay the samples out so, as docs/onnx.md says",
            )
        if len(iq) == 1:
            return self._alone(iq)
        state: list[Array] = [iq]
        waiting = np.arange(len(iq))
        exits = np.full(len(iq), len(self.thresholds))
        answers: Array | None = None
        for k, (part, outputs, names) in enumerate(zip(self.parts, self.outputs, self.names, strict=True)):
            said, *rest = part.run(outputs, dict(zip(names, state, strict=True)))
            answers = np.empty((len(iq), said.shape[1]), np.float32) if answers is None else answers
            answers[waiting] = said
            if not rest:
                break
            doubt, *state = rest
            # Not the other way round: what is not finite has a doubt of NaN, and has to stop here.
            leaving = ~((doubt >= np.float32(self.thresholds[k])) & (doubt < np.float32(self.hopeless[k])))
            exits[waiting[leaving]] = k
            if leaving.all():
                break
            if leaving.any():
                waiting, state = waiting[~leaving], [one[~leaving] for one in state]
        assert answers is not None
        return answers, exits

    def _alone(self, iq: Array) -> tuple[Array, Array]:
        """Answer one record: nothing to put back in order, which for small networks takes a fifth of the time."""
        state: list[Array] = [iq]
        for k, (part, outputs, names) in enumerate(zip(self.parts, self.outputs, self.names, strict=True)):
            said, *rest = part.run(outputs, dict(zip(names, state, strict=True)))
            if not rest or not self.thresholds[k] <= rest[0][0] < self.hopeless[k]:
                break
            state = rest[1:]
        return said, np.array([k])


def _policy(path: Path) -> Policy:
    """Return the policy of a file; raises `ModelError` for what is none."""
    try:
        told = json.loads(path.read_text())
        return Policy(tuple(told["thresholds"]), told["rule"], tuple(told["hopeless"]))
    except GroundwaveError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path}, which is no policy ({error!r})", "what `export_split` wrote", "export it again"
        ) from error


def _check_parity(network: MultiExit, policy: Policy, folder: Path, contract: InputContract, tolerance: float) -> None:
    """Raise `ModelError` unless the parts answer as the model does on noise and on tones, one by one and together.

    Every part is asked about every record, also about those that leave before it. A record whose doubt is as near to a
    bound as the tolerance may leave on either side of it.
    """
    draw = generator(0, "split", "parity")
    noise = torch.randn(8, contract.num_channels, contract.num_samples, generator=draw)
    turn = 0.3 * torch.arange(contract.num_samples) * torch.arange(1, 9)[:, None]
    tone = torch.stack([turn.cos(), turn.sin()], dim=1).repeat(1, contract.num_antennas, 1)
    split = SplitModel(folder)
    bounds = torch.tensor([policy.thresholds, policy.hopeless or policy.thresholds])[..., None]
    for x in (noise, 20 * tone + noise, noise[:1]):
        x_scaled = x / (x.square().mean(dim=(1, 2), keepdim=True) * 2).sqrt()
        said = torch.stack([scores.softmax(dim=-1) for scores in network(x_scaled)])
        doubt = torch.stack([RULES[policy.rule]([one]) for one in said[:-1]])
        wanted = network.answer(x_scaled, policy).exit
        found, exits = (torch.from_numpy(one) for one in split.answer(x.numpy()))
        told, doubted = _everywhere(split, x.numpy())
        pairs = (told, said), (doubted, doubt), (found, said[exits, torch.arange(len(x))])
        error = float(torch.stack([(one - other).abs().amax() for one, other in pairs]).amax())  # NaN stays NaN
        settled = ((doubt - bounds).abs() > tolerance).all(dim=0).all(dim=0)
        if not error <= tolerance or not exits[settled].equal(wanted[settled]):
            raise ModelError(
                got=f"parts that differ from the model by {error:.1e}, leaving at {exits.tolist()}",
                expected=f"at most {tolerance:.1e}, leaving at {wanted.tolist()}",
                do="report this with the model; nothing was written",
            )


def _everywhere(split: SplitModel, iq: Array) -> tuple[Tensor, Tensor]:
    """Return what each part says when no record leaves, `[parts, B, C]`, and the doubt at each exit, `[exits, B]`."""
    state, said, doubts = [iq], list[Tensor](), list[Tensor]()
    for part, outputs, names in zip(split.parts, split.outputs, split.names, strict=True):
        told, *rest = map(torch.from_numpy, part.run(outputs, dict(zip(names, state, strict=True))))
        said.append(told)
        doubts += rest[:1]
        state = [one.numpy() for one in rest[1:]]
    return torch.stack(said), torch.stack(doubts)
