"""What a handler is given and what it may answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Union


class Request:
    """One request to a service.

    Over http everything is set. Over tcp and udp only `body` (the line without its end, or the datagram), `server` and
    `client` are; the rest is empty.
    """

    __slots__ = ("method", "path", "query", "headers", "body", "server", "client")

    method: str
    """As sent, usually in capitals: `GET`."""
    path: str
    """Percent-decoded, without the query: `/a b`."""
    query: dict[str, str]
    """Percent-decoded; of a name that comes several times, the last."""
    headers: dict[str, str]
    """Names in lower case; values of a name that comes several times are joined by `, `."""
    body: bytes
    """At most the service's limit; `b""` when there is none."""
    server: str
    """Name of the VM that answers."""
    client: str
    """IP address of the other end, which may be a load balancer's."""

    def __init__(
        self,
        body: bytes = b"",
        *,
        method: str = "",
        path: str = "",
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        server: str = "",
        client: str = "",
    ) -> None:
        self.method = method
        self.path = path
        self.query = {} if query is None else query
        self.headers = {} if headers is None else headers
        self.body = body
        self.server = server
        self.client = client

    def json(self) -> Any:
        """The body as JSON. Raises `Reject`, so that the client gets status 400, when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Reject(f"the body is not JSON: {error}") from error

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path} with {len(self.body)} bytes from {self.client}>"


class Response:
    """An answer over http with a status or headers of its own.

    body: str (sent as text), bytes, dict or list (sent as JSON), or None.
    status: 200 to 599; without it 200, or 204 when the body is None.
    headers: win over the usual ones. The length and the connection are not for the handler to set.
    """

    __slots__ = ("body", "status", "headers")

    def __init__(
        self,
        body: str | bytes | dict[Any, Any] | list[Any] | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.body = body
        self.status = status
        self.headers = headers


class Reject(Exception):
    """Raised by a handler for a request that is wrong. It does not count as an error of the handler.

    http: the client gets `status` (400 to 599) and `{"error": message}`. tcp: the line `error: message`. udp: nothing.
    """

    def __init__(self, message: str = "bad request", status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


#: What a handler may return. A tuple is `(status, body)` or `(status, body, headers)`.
Answer = Union[str, bytes, dict, list, None, tuple, Response]
