"""The HTTP door: answers as the model does, refuses in one form, and outlives whoever asks badly."""

import asyncio
import base64
import json
import socket
import threading
import time
import urllib.request
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args
from urllib.error import HTTPError

import httpx
import numpy as np
import pytest
import torch
import uvicorn

from groundwave.adapt import LEARNERS
from groundwave.deploy import guard, listen
from groundwave.deploy.guard import Limits, is_loopback
from groundwave.deploy.listen import ImpatientProtocol
from groundwave.deploy.messages import Lesson, Question
from groundwave.deploy.serve import Service, application
from groundwave.errors import UnknownNameError
from groundwave.model import InputContract, Model
from groundwave.nn.heads import LinearHead
from groundwave.rng import generator

LIMITS = Limits(body_bytes=100_000, body_seconds=0.5, seconds=5.0, open_requests=8)
TOKEN = "a-token-that-nobody-guesses"


def model() -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Model.build("envelope", InputContract(num_samples=64, min_samples=32, max_samples=128), {"dim": 8})
        args = {"in_features": made.num_features, "out_features": 3}
        return made.with_head("linear", LinearHead(**args), args, ("am", "fm", "psk"))


class Slow(torch.nn.Module):
    """A backbone that takes its time."""

    def __init__(self, backbone: torch.nn.Module) -> None:
        super().__init__()
        self.backbone, self.num_features = backbone, backbone.num_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(0.05)
        return self.backbone(x)


class Server:
    """The door behind a real socket, in a thread of this process."""

    def __init__(self, asked: Model, token: str | None = None, limits: Limits = LIMITS) -> None:
        app = application("test", asked, token=token, limits=limits)
        config = uvicorn.Config(app, port=0, http=ImpatientProtocol, log_level="critical", ws="none", lifespan="on")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run)

    def __enter__(self) -> httpx.Client:
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20)

    def __exit__(self, *error: object) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=10)


@pytest.fixture(scope="module")
def door() -> Iterator[httpx.Client]:
    with Server(model()) as client, client:
        yield client


def iq(num: int, seed: int = 0, length: int = 64) -> torch.Tensor:
    return torch.randn(num, length, dtype=torch.complex64, generator=generator(seed, "asked"))


def encoded(x: torch.Tensor) -> dict[str, object]:
    return {"data": base64.b64encode(x.numpy().tobytes()).decode(), "datatype": "cf32_le", "shape": list(x.shape)}


def fault(answer: httpx.Response, status: int) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    told: dict[str, str] = answer.json()["error"]
    assert told.keys() == {"kind", "got", "expected", "do"}
    return told


def test_predictions_and_features_are_the_models(door: httpx.Client) -> None:
    x, asked = iq(3), model()
    plain = {"i": x.real.tolist(), "q": x.imag.tolist()}
    for records in (encoded(x), plain):
        told = door.post("/predict", json={"records": records}).json()
        np.testing.assert_allclose(told["probabilities"], asked.predict(x), atol=1e-5)
        assert told["labels"] == [("am", "fm", "psk")[c] for c in asked.predict(x).argmax(-1)]
        np.testing.assert_allclose(
            door.post("/embed", json={"records": records}).json()["features"], asked.embed(x), atol=1e-4
        )


def test_integers_are_read_at_full_scale(door: httpx.Client) -> None:
    numbers = np.random.default_rng(0).integers(-99, 99, (2, 64, 2), dtype=np.int8)
    told = {"data": base64.b64encode(numbers.tobytes()).decode(), "datatype": "ci8", "shape": [2, 64]}
    x = torch.view_as_complex(torch.from_numpy(numbers / 128.0)).to(torch.complex64)
    found = door.post("/predict", json={"records": told}).json()["probabilities"]
    np.testing.assert_allclose(found, model().predict(x), atol=1e-4)


def test_a_head_is_learned_from_a_few_labels(door: httpx.Client) -> None:
    loud, faint = iq(8) + 2, iq(8, seed=1)
    support, labels, query = torch.cat([loud, faint]), ["carrier"] * 8 + ["noise"] * 8, iq(6, seed=2)
    told = door.post("/adapt", json={"records": encoded(support), "labels": labels}).json()
    assert told["classes"] == ["carrier", "noise"]
    features = {"features": model().embed(support), "label": torch.arange(2).repeat_interleave(8)}
    wanted = LEARNERS["logistic"]().fit(features).predict({"features": model().embed(query)})
    question = {"records": encoded(query), "head": told["head"]}
    np.testing.assert_allclose(door.post("/predict", json=question).json()["probabilities"], wanted, atol=1e-3)
    assert "unknown head" in fault(door.post("/predict", json={**question, "head": "other"}), 404)["got"]
    assert "labels" in fault(door.post("/adapt", json={"records": encoded(loud), "labels": labels}), 422)["got"]
    only = {"records": encoded(loud), "labels": ["carrier"] * 8}
    assert "two classes" in fault(door.post("/adapt", json=only), 422)["expected"]


def test_card_and_health(door: httpx.Client) -> None:
    card = door.get("/model").json()
    assert (card["name"], card["classes"], card["contract"]["num_samples"]) == ("test", ["am", "fm", "psk"], 64)
    assert door.get("/health").json()["status"] == "ok"


def test_concurrent_requests_get_their_own_answers_and_bad_ones_harm_nobody(door: httpx.Client) -> None:
    asked = [iq(1 + k % 3, seed=k, length=(64, 100)[k % 2]) for k in range(24)]
    asked[5][0, 3] = torch.nan
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda x: door.post("/predict", json={"records": encoded(x)}), asked))
    for k, (x, answer) in enumerate(zip(asked, answers, strict=True)):
        if k == 5:
            assert "record 0" in fault(answer, 422)["got"]
        else:
            np.testing.assert_allclose(answer.json()["probabilities"], model().predict(x), atol=1e-4)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", "JSON"),
        (b"[]", "dictionary"),
        (json.dumps({"records": encoded(iq(1, length=16))}).encode(), "16 samples"),
        (json.dumps({"records": {**encoded(iq(1)), "shape": [1, 63]}}).encode(), "512 bytes"),
        (json.dumps({"records": {**encoded(iq(1)), "datatype": "cf16"}}).encode(), "datatype"),
        (json.dumps({"records": encoded(iq(1) * 0)}).encode(), "without any power"),
        (json.dumps({"records": {"i": [[0.5] * 64], "q": [[0.5] * 63]}}).encode(), "63 to 64"),
        (json.dumps({"records": encoded(iq(1)), "extra": 1}).encode(), "extra"),
        (b'{"records": {"i": [[1, 2], [1, null]], "q": [[1, 2], [1, 2]]}}', "lists.i.1.1 (Input"),
        (b'{"records": {"i": [[1, 2]]}}', "lists.q (Field required"),
    ],
)
def test_requests_that_do_not_fit_are_told_what_to_do(door: httpx.Client, body: bytes, told: str) -> None:
    found = fault(door.post("/predict", content=body, headers={"content-type": "application/json"}), 422)
    assert told in " ".join(found.values())


@pytest.mark.parametrize("route", ["/predict", "/embed", "/adapt"])
@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_told_with_its_record(door: httpx.Client, route: str, value: str) -> None:
    x = iq(3)
    asked: dict[str, Any] = {"records": {"i": x.real.tolist(), "q": x.imag.tolist()}}
    asked["records"]["q"][1][5] = "here"
    asked |= {"labels": ["a", "b", "a"]} if route == "/adapt" else {}
    body, head = json.dumps(asked).replace('"here"', value), {"content-type": "application/json"}
    found = fault(door.post(route, content=body, headers=head), 422)
    assert found["kind"] == "ContractError"
    assert "infinite samples in record 1" in found["got"]
    assert "finite" in found["expected"]
    assert "drop that record" in found["do"]


def test_unknown_routes_methods_and_hosts(door: httpx.Client) -> None:
    fault(door.get("/nothing"), 404)
    fault(door.get("/predict"), 405)
    assert "evil" in fault(door.get("/model", headers={"host": "evil.example"}), 421)["got"]
    for host in ("evil]", "[::1].evil.example", "[evil]:80", ""):
        fault(door.get("/model", headers={"host": host}), 421)
    for host in ("[::1]", "[::1]:8080", "localhost:8080"):
        assert door.get("/model", headers={"host": host}).status_code == 200
    assert [is_loopback(h) for h in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "10.0.0.1")] == [1, 1, 1, 0, 0]


def test_too_large_requests_are_refused_however_they_come(door: httpx.Client) -> None:
    big = b" " * (LIMITS.body_bytes + 1)
    assert fault(door.post("/predict", content=big), 413)["do"]
    assert fault(door.post("/predict", content=iter([big[:60_000]] * 2)), 413)["do"]  # in chunks, of no declared length


@pytest.mark.parametrize(("token", "status"), [(None, 413), (TOKEN, 401)])
def test_whoever_sends_far_too_much_still_reads_the_refusal(token: str | None, status: int) -> None:
    with Server(model(), token, Limits(body_bytes=500_000)) as client, client:
        for num_bytes in range(600_000, 1_000_000, 20_000):
            with pytest.raises(HTTPError) as told:
                urllib.request.urlopen(f"{client.base_url}/predict", b" " * num_bytes, timeout=10)
            assert told.value.code == status
            assert json.load(told.value)["error"]["do"]


def test_a_refused_request_that_goes_on_is_cut(door: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    head = HEAD.replace(b"1000", b"%d" % 10**9)
    monkeypatch.setattr(guard, "DROPPED_S", 60.0)
    with raw(door, head) as much, pytest.raises(OSError, match=r"(?i)pipe|reset|abort"):
        much.sendall(b" " * 10**8)
    monkeypatch.setattr(guard, "DROPPED_S", 0.5)
    with raw(door, head) as slow:
        begun = time.monotonic()
        assert b" 413 " in slow.recv(1000)
        assert time.monotonic() - begun < 0.5  # the answer does not wait for the rest
        while slow.recv(1000):  # what is left of the answer, until the connection is cut: else the socket's time is out
            pass


def test_without_the_token_nothing_but_health_is_told() -> None:
    with Server(model(), token=TOKEN) as client, client:
        for headers in ({}, {"authorization": f"Bearer {TOKEN}x"}, {"authorization": f"Basic {TOKEN}"}):
            found = client.get("/model", headers=headers)
            assert TOKEN not in json.dumps(fault(found, 401))
            assert found.headers["www-authenticate"] == "Bearer"
            fault(client.post("/predict", headers=headers, json={"records": encoded(iq(1))}), 401)
        assert client.get("/health").status_code == 200
        right = {"authorization": f"Bearer {TOKEN}", "host": "radio.example"}
        assert client.get("/model", headers=right).status_code == 200


def raw(client: httpx.Client, message: bytes) -> socket.socket:
    connection = socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=10)
    connection.sendall(message)
    return connection


HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"


def test_slow_and_cut_connections_take_nothing_from_others(door: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "FIRST_REQUEST_S", 0.3)
    slow, silent = [raw(door, HEAD) for _ in range(4)], raw(door, b"GET /hea")
    for _ in range(5):
        raw(door, HEAD).close()
    time.sleep(0.1)  # until the door sees that they are gone: they count while it does not
    assert door.post("/predict", json={"records": encoded(iq(1))}).status_code == 200
    assert all(b" 408 " in connection.recv(1000) for connection in slow)
    assert silent.recv(1000) == b""
    for connection in (*slow, silent):
        connection.close()
    assert door.post("/predict", json={"records": encoded(iq(1))}).status_code == 200


def test_ten_times_too_much_is_answered_or_refused_and_never_wrong() -> None:
    asked = model()
    asked.backbone = Slow(asked.backbone)
    with Server(asked, limits=Limits(open_requests=6, waiting_records=4)) as client, client:
        records = [iq(1, seed=k) for k in range(60)]
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda x: client.post("/predict", json={"records": encoded(x)}), records))
        codes = [answer.status_code for answer in answers]
        assert set(codes) == {200, 429}
        for x, answer in zip(records, answers, strict=True):
            if answer.status_code == 200:
                np.testing.assert_allclose(answer.json()["probabilities"], model().predict(x), atol=1e-4)
            else:
                assert answer.headers["retry-after"] == "1"
                assert fault(answer, 429)["kind"] == "OverloadedError"
        assert client.post("/predict", json={"records": encoded(iq(1))}).status_code == 200


def test_what_takes_too_long_is_given_up() -> None:
    asked = model()
    asked.backbone = Slow(asked.backbone)
    with Server(asked, limits=Limits(seconds=0.02)) as client, client:
        assert fault(client.post("/predict", json={"records": encoded(iq(1))}), 503)["kind"] == "TooSlowError"


class Picky(torch.nn.Module):
    """A backbone that breaks on one length that the contract allows."""

    def __init__(self, backbone: torch.nn.Module) -> None:
        super().__init__()
        self.backbone, self.num_features = backbone, backbone.num_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(0.05)
        if x.shape[-1] == 100:
            raise RuntimeError("secret")
        return self.backbone(x)


def test_an_error_of_ours_is_told_as_one_and_harms_no_other_request() -> None:
    asked = model()
    asked.backbone = Picky(asked.backbone)
    with Server(asked) as client, client, ThreadPoolExecutor(8) as pool:
        records = [iq(1, seed=k, length=(64, 100)[k % 2]) for k in range(8)]
        answers = list(pool.map(lambda x: client.post("/predict", json={"records": encoded(x)}), records))
        assert [answer.status_code for answer in answers] == [200, 500] * 4
        assert "secret" not in answers[1].text
        fault(answers[1], 500)


def test_a_model_without_a_head_can_be_given_one() -> None:
    bare = Model.build("envelope", InputContract(num_samples=64, min_samples=32, max_samples=128), {"dim": 8})
    with Server(bare) as client, client:
        assert "/adapt" in fault(client.post("/predict", json={"records": encoded(iq(1))}), 422)["do"]
        assert client.post("/embed", json={"records": encoded(iq(1))}).status_code == 200


@pytest.mark.parametrize("learner", get_args(Lesson.model_fields["learner"].annotation))
def test_every_learner_that_the_door_names_learns(door: httpx.Client, learner: str) -> None:
    support, labels = torch.cat([iq(8) + 2, iq(8, seed=1)]), ["carrier"] * 8 + ["noise"] * 8
    told = door.post("/adapt", json={"records": encoded(support), "labels": labels, "learner": learner})
    assert told.status_code == 200, told.text


def test_a_get_with_a_body_is_refused_before_the_body_comes(door: httpx.Client) -> None:
    for told in (b"Content-Length: 1000", b"Transfer-Encoding: chunked"):
        with raw(door, b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + told + b"\r\n\r\n") as connection:
            assert b" 413 " in connection.recv(1000)


@pytest.mark.parametrize("method", [b"POST", b"PUT"])
def test_whatever_has_a_body_is_counted(method: bytes) -> None:
    with Server(model(), limits=Limits(open_requests=2)) as client, client:
        head = HEAD.replace(b"POST", method)
        held = [raw(client, head) for _ in range(2)]
        time.sleep(0.1)
        with raw(client, head) as third:
            assert b" 429 " in third.recv(1000)
        assert client.get("/health").status_code == 200
        for connection in held:
            connection.close()


def test_a_head_that_is_pushed_out_just_now_is_unknown() -> None:
    class Evicting(OrderedDict[str, Model]):
        """Heads of which one goes as soon as it was seen."""

        def __contains__(self, key: object) -> bool:
            return True

    service = Service("test", model(), Limits())
    service.heads = Evicting()
    question = Question.model_validate({"records": encoded(iq(1)), "head": "gone"})
    with pytest.raises(UnknownNameError):
        asyncio.run(service.predict(question))


def test_learning_has_a_deadline_and_no_other_begins_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    may_end, fits = threading.Event(), LEARNERS["prototypes"]

    def stuck() -> Any:
        may_end.wait(10)
        return fits()

    monkeypatch.setitem(LEARNERS, "logistic", stuck)
    support = {"records": encoded(iq(4)), "labels": ["a", "b"] * 2}
    with Server(model(), limits=Limits(seconds=0.5)) as client, client:
        assert fault(client.post("/adapt", json=support), 503)["kind"] == "TooSlowError"
        other = {**support, "learner": "prototypes"}
        fault(client.post("/adapt", json=other), 429)
        may_end.set()
        time.sleep(0.2)
        assert client.post("/adapt", json=other).status_code == 200


def test_answers_do_not_wait_for_acknowledgements() -> None:
    with listen.bound("127.0.0.1", 0) as at, socket.create_connection(at.getsockname()):
        taken, _ = at.accept()
        with taken:
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
