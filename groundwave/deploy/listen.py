"""The server under the HTTP door: it lets go of connections on which nobody asks."""

import socket
import sys
from asyncio import Transport
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from groundwave.errors import GroundwaveError

if sys.platform != "win32":
    import resource

FIRST_REQUEST_S = 10.0  # in which the head of a connection's first request must have come
IDLE_S = 5.0  # after an answer, until the connection is closed
MOST_CONNECTIONS = 4096


class ImpatientProtocol(H11Protocol):
    """HTTP over a connection that is closed when it has not asked in time: uvicorn would wait for ever."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Take a connection, and look at it again later."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:  # the guard refuses long before with 429
            transport.abort()
        self.loop.call_later(FIRST_REQUEST_S, self._look)

    def _look(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens: whoever connects from now on waits for the server.

    Raises:
        GroundwaveError: an address that is none of this machine's, or that another program has.
    """
    try:
        at = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (")[0]  # Python adds the address once more
        raise GroundwaveError(
            got=f"--host {host} --port {port} ({why})",
            expected="a free address of this machine",
            do="choose another --port, or stop what listens there",
        ) from error
    # Connections inherit it; asyncio sets it on its own sockets alone, and without it an answer's second part waits
    # 40 ms for the client to acknowledge the first.
    at.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return at


def listen(app: Any, at: socket.socket) -> None:
    """Serve an application at a socket that is `bound`, until Ctrl-C."""
    if sys.platform != "win32":  # a connection is an open file, of which a process may have 1024 by custom
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 2 * MOST_CONNECTIONS if most == resource.RLIM_INFINITY else min(most, 2 * MOST_CONNECTIONS)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    config = uvicorn.Config(
        app,
        http=ImpatientProtocol,
        ws="none",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=round(IDLE_S),
        server_header=False,
    )
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run([at])
