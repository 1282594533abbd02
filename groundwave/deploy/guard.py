"""What stands before the HTTP door: token, host, size, time, and not too many at once."""

import asyncio
import hmac
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from groundwave.deploy.batching import OverloadedError
from groundwave.errors import GroundwaveError

OPEN_PATHS = ("/health",)  # need no token
BODILESS = ("GET", "HEAD")
DROPPED_BODIES = 8  # of the largest size: so much of a refused request is still read
DROPPED_S = 2.0  # and for so long
HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\[\]:/@]+)(?::\d*)?")  # urlsplit takes more: [::1].example is ::1 to it


@dataclass(frozen=True)
class Limits:
    """What a request may take.

    Args:
        body_bytes: of a request.
        body_seconds: in which it must have come.
        seconds: in which it must be answered.
        open_requests: at once, also those that are still being sent; what has no body is answered all the same.
        waiting_records: that may wait for the model.
    """

    body_bytes: int = 4 << 20
    body_seconds: float = 10.0
    seconds: float = 10.0
    open_requests: int = 64
    waiting_records: int = 256


def is_loopback(host: str) -> bool:
    """Return whether an address is this machine's alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _name(host: str) -> str:
    """Return the name in a host header, without the port; nothing for what is no host."""
    found = HOST.fullmatch(host)
    return found[1].strip("[]").lower() if found else ""


def _has_body(headers: dict[str, str]) -> bool:
    """Return whether a body follows the headers."""
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def refusal(error: GroundwaveError) -> dict[str, Any]:
    """Return an error as the door tells it."""
    fault = {"kind": type(error).__name__, "got": error.got, "expected": error.expected, "do": error.do}
    return {"error": fault}


class Refused(Exception):
    """A request that goes no further; `more` of it may still come."""

    def __init__(
        self, status: int, error: GroundwaveError, headers: dict[str, str] | None = None, more: bool = True
    ) -> None:
        super().__init__(str(error))
        self.status, self.error, self.headers, self.more = status, error, headers or {}, more


class Guard:
    """An ASGI middleware that lets through what may be asked, with its body in one piece.

    Without a token only requests that name this machine itself as their host are answered, so that no web page can ask
    through a name of its own that leads here.

    Args:
        app: what is guarded.
        limits: of a request.
        token: that must come as `Authorization: Bearer TOKEN`; None: none is asked for.
        full: whether the model has more to do than it can.
    """

    def __init__(self, app: Any, limits: Limits, token: str | None, full: Callable[[], bool]) -> None:
        self.app, self.limits, self.token, self.full = app, limits, token, full
        self.open = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            await self._answer(scope, receive, send)
        except Refused as refused:  # it no longer counts as open
            await self._refuse(refused, receive, send)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        self.open += 1
        try:
            headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
            self._admit(scope, headers)
            await self.app(scope, await self._whole(headers, receive), send)
        finally:
            self.open -= 1

    def _admit(self, scope: Any, headers: dict[str, str]) -> None:
        if self.token is None:
            host = headers.get("host", "")
            if not is_loopback(_name(host)):
                error = GroundwaveError(
                    f"the host {host!r}", "this machine's own name", "ask 127.0.0.1, or use a token"
                )
                raise Refused(421, error)
        elif scope["path"] not in OPEN_PATHS:
            given = headers.get("authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
                error = GroundwaveError(
                    got="a request without the right token",
                    expected="the header Authorization: Bearer TOKEN",
                    do="send the token that the server was started with",
                )
                raise Refused(401, error, {"www-authenticate": "Bearer"})
        if not _has_body(headers):
            return
        if scope["method"] in BODILESS:
            raise Refused(413, GroundwaveError(f"a {scope['method']} with a body", "one without", "leave it out"))
        if self.full() or self.open > self.limits.open_requests:
            raise Refused(429, OverloadedError(), {"retry-after": "1"})

    async def _whole(self, headers: dict[str, str], receive: Any) -> Any:
        """Return what gives the body in one piece, once it has come."""
        declared = headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > self.limits.body_bytes:
            raise Refused(413, self._too_large(declared))
        body, more = bytearray(), True
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                while more:
                    message = await receive()
                    if message["type"] != "http.request":
                        return _replay(message, receive)
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > self.limits.body_bytes:
                        raise Refused(413, self._too_large(f"more than {self.limits.body_bytes}"), more=more)
        except TimeoutError:
            error = GroundwaveError(
                got=f"a request that was not complete after {self.limits.body_seconds:g} s",
                expected="all of it by then",
                do="send it in one go, or as several smaller ones",
            )
            raise Refused(408, error) from None
        return _replay({"type": "http.request", "body": bytes(body), "more_body": False}, receive)

    def _too_large(self, size: str) -> GroundwaveError:
        return GroundwaveError(
            got=f"a request of {size} bytes",
            expected=f"at most {self.limits.body_bytes}",
            do="ask about fewer records at a time",
        )

    async def _refuse(self, refused: Refused, receive: Any, send: Any) -> None:
        """Answer at once, then close: after what is still being sent, as whoever sends would see a reset instead."""
        body = json.dumps(refusal(refused.error)).encode()
        told = {**refused.headers, "content-type": "application/json", "content-length": str(len(body))}
        told["connection"] = "close"  # not all that is being sent may be read
        headers = [(key.encode(), value.encode()) for key, value in told.items()]
        await send({"type": "http.response.start", "status": refused.status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        more, left = refused.more, DROPPED_BODIES * self.limits.body_bytes
        with suppress(TimeoutError):
            async with asyncio.timeout(DROPPED_S):
                while more and left > 0:
                    message = await receive()
                    left -= len(message.get("body", b""))
                    more = message.get("more_body", False)
        await send({"type": "http.response.body"})


def _replay(message: Any, receive: Any) -> Any:
    """Return a `receive` that gives a message first."""
    left = [message]

    async def again() -> Any:
        return left.pop() if left else await receive()

    return again
