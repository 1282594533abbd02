"""Devices as Ray actors: the same result as in one process; a killed actor is replaced and the ledger stays right."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

pytest.importorskip("ray", reason="Ray is not installed (the extra `cluster`)")

from groundwave.semcom.engines import OneProcess, RayActors
from groundwave.semcom.ledger import DOWN, UP, Traffic
from tests.semcom.test_split_training import BATCH, training
from tests.semcom.toy import LABEL, PACE, ROWS, devices, link


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield ray
    ray.shutdown()


def kill(ray: Any, actor: Any) -> None:
    """Kill an actor, and return once it is dead: until then it may go on answering."""
    ray.kill(actor)
    with pytest.raises(ray.exceptions.RayActorError):
        [ray.get(actor.__ray_ready__.remote(), timeout=30) for _ in range(1000)]


def test_actors_agree_with_one_process_also_after_one_was_killed(ray: Any) -> None:
    here, there = training(OneProcess(devices()), noisy=True), RayActors(devices())
    away = training(there, noisy=True)
    torch.testing.assert_close(away.train(ROWS, LABEL, BATCH), here.train(ROWS, LABEL, BATCH), rtol=1e-4, atol=1e-5)
    assert away.ledger.rounds == here.ledger.rounds
    assert all(away.ledger.traffic("training", way) == here.ledger.traffic("training", way) for way in (UP, DOWN))
    answers = [system.answer(system.receive(ROWS, link())) for system in (away, here)]
    torch.testing.assert_close(*answers, rtol=1e-3, atol=1e-4)

    before, killed = away.ledger.traffic("training"), there.actors["camera"]
    kill(ray, killed)
    rows = ROWS[:BATCH]
    losses = [away.round(PACE.rounds + step, rows, LABEL[rows]) for step in range(3)]
    assert all(loss == loss for loss in losses)
    assert there.actors["camera"] is not killed
    assert away.ledger.faults == {("camera", "lost"): 1}
    assert away.ledger.rounds["training"] == PACE.rounds + 3
    per_message = here.ledger.traffic("training", UP).real_symbols // (2 * PACE.rounds)
    added = away.ledger.traffic("training")
    assert added.messages - before.messages == 2 * (2 + 2 + 1)  # in the first step only one device was there
    assert added.real_symbols - before.real_symbols == 5 * (2 * per_message + 1)
    state = there.ask("state", {"camera": ()})["camera"]
    assert state["scheduler"]["last_epoch"] == 11 + 2  # the snapshot after step 10, and two steps more
    assert away.ledger.traffic("inference") == here.ledger.traffic("inference") != Traffic()
    there.close()
