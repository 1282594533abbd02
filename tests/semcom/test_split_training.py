"""Training across the air in one process: it learns, counts, and survives devices that drop out, come late or lie."""

import time
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from groundwave.errors import DataError, GroundwaveError
from groundwave.rng import generator
from groundwave.semcom.edge import Device, Fusion
from groundwave.semcom.engines import Engine, OneProcess, engine_of
from groundwave.semcom.ledger import DOWN, UP, Ledger, Traffic
from groundwave.semcom.link import normalise
from groundwave.semcom.split import Air, SplitTraining, batch_of
from tests.semcom.toy import LABEL, NUM_SYMBOLS, PACE, ROWS, devices, link, server

BATCH = 16
UP_REALS = BATCH * (2 * NUM_SYMBOLS + 2)  # features, and a complex pilot for each record


def training(engine: Engine, noisy: bool = False) -> SplitTraining:
    air = Air(link(), link() if noisy else None)
    return SplitTraining(engine, server(), air, Ledger(), PACE, seed=5)


def accuracy(system: SplitTraining, present: tuple[str, ...] = ()) -> float:
    answer = system.answer(system.receive(ROWS, link(), present)).argmax(dim=1)
    return float((answer == LABEL).double().mean())


@pytest.mark.parametrize("noisy", [False, True])
def test_it_learns_also_from_gradients_that_went_through_noise(noisy: bool) -> None:
    system = training(OneProcess(devices()), noisy)
    before = accuracy(system)
    losses = system.train(ROWS, LABEL, BATCH)
    assert losses[-1] < 0.7 * losses[0]
    assert accuracy(system) > before + 0.2
    assert 1 / 3 < accuracy(system, ("ranger",)) <= 1


def test_the_split_gradients_are_those_of_the_whole() -> None:
    split, whole = devices(), devices()
    system, network = training(OneProcess(split)), server()
    rows, step = ROWS[:BATCH], 0
    system.round(step, rows, LABEL[rows])
    received = {}
    for name, one in whole.items():
        symbols = normalise(one.encoder(one.prepare(one.inputs[rows], generator(one.seed, "views", step))))
        received[name] = link()(symbols, generator(5, "air", "up", step, name))
    F.cross_entropy(network(received), LABEL[rows]).backward()
    for one in whole.values():
        one.pupil.step()
    for name, one in whole.items():
        torch.testing.assert_close(split[name].encoder.state_dict(), one.encoder.state_dict())


def test_the_ledger_of_a_training_is_what_one_counts_by_hand() -> None:
    system = training(OneProcess(devices()), noisy=True)
    system.train(ROWS, LABEL, BATCH)
    rounds, pilots = PACE.rounds, 2 * BATCH
    assert system.ledger.rounds["training"] == rounds
    up, down = (system.ledger.traffic("training", way) for way in (UP, DOWN))
    assert (up.messages, up.real_symbols) == (2 * rounds, 2 * rounds * UP_REALS)
    assert up.bits == 2 * rounds * (UP_REALS - pilots) * 32
    assert (down.messages, down.real_symbols) == (2 * rounds, 2 * rounds * (UP_REALS + 1))  # and the scale
    assert system.ledger.traffic("inference") == Traffic()
    system.receive(ROWS[:10], link())
    assert system.ledger.traffic("inference").real_symbols == 2 * 10 * (2 * NUM_SYMBOLS + 2)


def test_a_head_start_teaches_the_server_alone_and_takes_no_round() -> None:
    system = training(OneProcess(own := devices()))
    before, encoders = accuracy(system), {name: one.encoder.state_dict() for name, one in own.items()}
    known = {name: {key: value.clone() for key, value in state.items()} for name, state in encoders.items()}
    system.begin(ROWS, LABEL, BATCH, 2, replace(PACE, lr=1e-2))
    assert accuracy(system) > before + 0.2
    torch.testing.assert_close({name: one.encoder.state_dict() for name, one in own.items()}, known)
    assert not system.ledger.rounds
    up = system.ledger.traffic("head start", UP)
    assert (up.messages, up.bits) == (2 * 2, 2 * 2 * len(ROWS) * 2 * NUM_SYMBOLS * 32)  # passes, devices
    assert system.ledger.traffic("head start", DOWN) == Traffic()


def test_without_any_device_there_is_no_head_start() -> None:
    system = training(OneProcess({}))
    before = {name: value.clone() for name, value in system.server.state_dict().items()}
    system.begin(ROWS, LABEL, BATCH, 1, PACE)
    torch.testing.assert_close(system.server.state_dict(), before)


class Dropping(Device):
    """Answers every other step only."""

    def send(self, step: int, rows: Tensor) -> Tensor:
        if step % 2:
            raise ConnectionError("out of range")
        return super().send(step, rows)


class Slow(Device):
    """Takes longer than it may, now and then."""

    def send(self, step: int, rows: Tensor) -> Tensor:
        if step % 4 == 1:
            time.sleep(0.06)
        return super().send(step, rows)


class Lying(Device):
    """Sends something else than symbols, each time another."""

    def send(self, step: int, rows: Tensor) -> Any:
        good = super().send(step, rows)
        wrong = (good, good * torch.nan, good * 1e6, good[:3], good[:, :3], "hello", None, good.long())
        return wrong[step % len(wrong)]


class Deaf(Device):
    """Fails at every gradient."""

    def learn(self, step: int, gradient: Tensor) -> bool:
        raise TimeoutError("nothing came down")


@pytest.mark.parametrize(
    ("kind", "fault", "times", "heard", "sent"),
    [
        (Dropping, "lost", 6, 6, 6),
        (Slow, "late", 3, 9, 12),
        (Lying, "garbage", 10, 2, 12),
        (Deaf, "lost", 12, 12, 12),
    ],
)
def test_a_device_in_trouble_does_not_stop_the_others_and_is_counted(
    kind: type[Device], fault: str, times: int, heard: int, sent: int
) -> None:
    system = training(OneProcess(devices(camera=kind), deadline_s=0.05))
    losses = system.train(ROWS, LABEL, BATCH)
    assert losses[-1] < losses[0]
    assert system.ledger.faults == {("camera", fault): times}
    assert system.ledger.rounds["training"] == 12
    assert system.ledger.traffic("training", UP).messages == 12 + sent  # what came late or wrong was on the air
    assert system.ledger.traffic("training", DOWN).messages == 12 + heard
    weights = system.server.state_dict()
    assert all(values.isfinite().all() for values in weights.values())


class Mute(Device):
    """Trains, and says nothing at test time."""

    def encode(self, rows: Tensor) -> Tensor:
        raise TimeoutError("asleep")


def test_a_device_that_is_asked_at_test_time_must_answer() -> None:
    system = training(OneProcess(devices(camera=Mute)))
    with pytest.raises(GroundwaveError, match=r"camera being lost: TimeoutError: asleep.*ask the others"):
        system.receive(ROWS, link())
    assert set(system.receive(ROWS, link(), ("ranger",))) == {"ranger"}


class Broken(Device):
    """Never answers."""

    def send(self, step: int, rows: Tensor) -> Tensor:
        raise RuntimeError("no power")


def test_without_any_device_training_stops_and_says_why() -> None:
    system = training(OneProcess(devices(camera=Broken, ranger=Broken)))
    with pytest.raises(GroundwaveError, match=r"RuntimeError: no power.*look after the devices"):
        system.train(ROWS, LABEL, BATCH)
    assert system.ledger.rounds["training"] == 0


def test_a_gradient_of_another_step_is_ignored() -> None:
    one = devices()["camera"]
    before = {name: values.clone() for name, values in one.encoder.state_dict().items()}
    one.send(3, ROWS[:4])
    assert not one.learn(2, torch.ones(4, 8))
    torch.testing.assert_close(one.encoder.state_dict(), before)
    assert one.learn(3, torch.ones(4, 8))
    assert not one.learn(3, torch.ones(4, 8))


def test_unpaired_devices_are_refused() -> None:
    pair = devices()
    pair["ranger"].inputs = pair["ranger"].inputs[:90]
    with pytest.raises(DataError, match=r"camera: 96, ranger: 90.*pair the records"):
        training(OneProcess(pair))


def test_a_server_that_hears_nobody_refuses_and_an_unknown_engine_is_named() -> None:
    with pytest.raises(DataError, match="keep a device"):
        Fusion(("camera",), 8, 3)({})
    with pytest.raises(GroundwaveError, match="process, ray"):
        engine_of("threads", devices())


def test_every_record_is_seen_once_an_epoch_and_few_records_make_small_batches() -> None:
    seen = torch.cat([batch_of(ROWS, 16, step, 0) for step in range(6)])
    assert seen.sort().values.equal(ROWS)
    assert len(batch_of(ROWS[:5], 16, 0, 0)) == 5


def test_a_loss_that_is_not_finite_stops_training_before_anyone_learns_from_it() -> None:
    system = training(OneProcess(devices()))
    with torch.no_grad():
        system.server.head[1].bias[0] = torch.nan
    before = {name: values.clone() for name, values in system.server.inlets.state_dict().items()}
    with pytest.raises(GroundwaveError, match="a loss of nan at step 0"):
        system.train(ROWS, LABEL, BATCH)
    torch.testing.assert_close(dict(system.server.inlets.state_dict()), before)
