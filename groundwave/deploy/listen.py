"""The server under the HTTP door: it lets go of connections on which nobody asks."""

from asyncio import Transport
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

FIRST_REQUEST_S = 10.0  # in which the head of a connection's first request must have come
IDLE_S = 5.0  # after an answer, until the connection is closed
MOST_CONNECTIONS = 512


class ImpatientProtocol(H11Protocol):
    """HTTP over a connection that is closed when it has not asked in time: uvicorn would wait for ever."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Take a connection, and look at it again later."""
        super().connection_made(transport)
        self.loop.call_later(FIRST_REQUEST_S, self._look)

    def _look(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


def listen(app: Any, host: str, port: int) -> None:
    """Serve an application until Ctrl-C."""
    uvicorn.run(
        app,
        host=host,
        port=port,
        http=ImpatientProtocol,
        ws="none",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=round(IDLE_S),
        limit_concurrency=MOST_CONNECTIONS,
        server_header=False,
    )
