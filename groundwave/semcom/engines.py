"""Where devices run: all in this process, or each as a Ray actor on a machine of its own, with the same answers."""

import math
import os
import time
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from groundwave.errors import GroundwaveError, lookup
from groundwave.semcom.edge import Device

LOST, LATE, GARBAGE = "lost", "late", "garbage"
SNAPSHOT_EVERY = 10  # steps after which an actor's state is put aside on its own machine; a replacement starts there


class Fault(NamedTuple):
    """Why a device gave no answer: `lost`, `late`, or `garbage`, and the reason in words."""

    kind: str
    reason: str


class Engine(Protocol):
    """What asks devices, each by its name, and gets an answer or a fault from each."""

    @property
    def names(self) -> tuple[str, ...]:
        """The devices."""
        ...

    def ask(self, method: str, arguments: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
        """Call a method of some devices; return its result, or a `Fault`, by device."""
        ...

    def close(self) -> None:
        """Give back what the devices held."""
        ...


class OneProcess:
    """All devices in this process, one after the other.

    Args:
        devices: by name.
        deadline_s: an answer that took longer is late.
    """

    def __init__(self, devices: Mapping[str, Device], deadline_s: float = math.inf) -> None:
        self.devices, self.deadline_s = dict(devices), deadline_s

    @property
    def names(self) -> tuple[str, ...]:
        """The devices."""
        return tuple(self.devices)

    def ask(self, method: str, arguments: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
        """Call a method of some devices; an exception of one is its own loss, as on a machine of its own."""
        answers: dict[str, Any] = {}
        for name, given in arguments.items():
            start = time.monotonic()
            try:
                answers[name] = getattr(self.devices[name], method)(*given)
            except Exception as error:  # whatever breaks a device must not break the others
                answers[name] = Fault(LOST, f"{type(error).__name__}: {error}")
                continue
            if time.monotonic() - start > self.deadline_s:
                answers[name] = Fault(LATE, f"after the deadline of {self.deadline_s:g} s")
        return answers

    def close(self) -> None:
        """Nothing is held."""


class RayActors:
    """Each device an actor, on this machine or on those of a Ray cluster; a killed one is replaced.

    A replacement starts from the last snapshot of its predecessor, at most `SNAPSHOT_EVERY` steps old, and misses the
    step in which that was lost.

    Args:
        devices: by name; each is sent to its actor once.
        deadline_s: an answer that takes longer is late, and not waited for.

    Raises:
        GroundwaveError: Ray is not installed.
    """

    def __init__(self, devices: Mapping[str, Device], deadline_s: float = 120.0) -> None:
        self._ray = _started_ray()
        self.deadline_s = deadline_s
        self._devices = {name: self._ray.put(device) for name, device in devices.items()}
        self._snapshots: dict[str, Any] = dict.fromkeys(devices)
        self.actors = {name: self._hosted(name) for name in devices}

    @property
    def names(self) -> tuple[str, ...]:
        """The devices."""
        return tuple(self.actors)

    def ask(self, method: str, arguments: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
        """Call a method of some devices at once."""
        answers = self._called(method, arguments)
        if method == "learn":
            self._put_aside({name: given[0] for name, given in arguments.items()}, answers)
        return answers

    def close(self) -> None:
        """End the actors."""
        for actor in self.actors.values():
            self._ray.kill(actor)

    def _called(self, method: str, arguments: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
        calls = {name: self.actors[name].call.remote(method, *given) for name, given in arguments.items()}
        timeout = self.deadline_s if math.isfinite(self.deadline_s) else None
        done, _ = self._ray.wait(list(calls.values()), num_returns=len(calls), timeout=timeout)
        return {name: self._answer(name, call, call in done) for name, call in calls.items()}

    def _answer(self, name: str, call: Any, done: bool) -> Any:
        if not done:
            return Fault(LATE, f"no answer within {self.deadline_s:g} s")
        try:
            return self._ray.get(call)
        except self._ray.exceptions.RayActorError:
            self.actors[name] = self._hosted(name)
            return Fault(LOST, "its actor died; another has taken its place")
        except self._ray.exceptions.RayTaskError as error:
            return Fault(LOST, str(error).strip().splitlines()[-1])

    def _put_aside(self, steps: Mapping[str, int], answers: Mapping[str, Any]) -> None:
        due = [name for name, step in steps.items() if step % SNAPSHOT_EVERY == 0]
        asked = {name: () for name in due if not isinstance(answers[name], Fault)}
        for name, state in self._called("state", asked).items() if asked else ():
            if not isinstance(state, Fault):
                self._snapshots[name] = self._ray.put(state)

    def _hosted(self, name: str) -> Any:
        return self._ray.remote(num_cpus=0.5)(_Host).remote(self._devices[name], self._snapshots[name])


class _Host:
    """What an actor is: a device, as it was handed over or as it was last put aside."""

    def __init__(self, device: Device, state: Mapping[str, Any] | None) -> None:
        import torch

        torch.set_num_threads(1)
        self.device = device
        if state is not None:
            device.restore(state)

    def call(self, method: str, *given: Any) -> Any:
        return getattr(self.device, method)(*given)


def _started_ray() -> Any:
    """Return Ray, connected to the cluster of `RAY_ADDRESS` or to one of its own on this machine."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise GroundwaveError(
            got="engine ray without Ray",
            expected="the extra `cluster`",
            do="pip install 'groundwave[cluster]', or leave out --engine",
        ) from error
    if not ray.is_initialized():
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="error")
    return ray


ENGINES: Mapping[str, type[OneProcess] | type[RayActors]] = {"process": OneProcess, "ray": RayActors}


def engine_of(name: str, devices: Mapping[str, Device]) -> Engine:
    """Return the engine of that name with these devices; raises `UnknownNameError`."""
    return lookup(ENGINES, name, "engine")(devices)


def checked(answer: Any, num_records: int, num_reals: int) -> Tensor | Fault:
    """Return the symbols of an answer, or what is wrong with them: a transmitter cannot be louder than it is."""
    if isinstance(answer, Fault):
        return answer
    if not isinstance(answer, Tensor) or not answer.is_floating_point():
        return Fault(GARBAGE, f"{type(answer).__name__} instead of symbols")
    if answer.shape != (num_records, num_reals):
        return Fault(GARBAGE, f"symbols of shape {tuple(answer.shape)} instead of ({num_records}, {num_reals})")
    if not bool(answer.isfinite().all()) or float(answer.square().sum(-1).max()) > 1.01 * num_reals / 2:
        return Fault(GARBAGE, "symbols that are not finite, or louder than unit power")
    return answer
