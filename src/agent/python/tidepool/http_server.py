"""HTTP/1.1 with keep-alive and pipelining."""

from __future__ import annotations

import json

from .http_answer import HttpAnswer, error_answer, http_answer, to_wire
from .http_request import BadRequest, Head, make_request, read_body, read_head
from .invoker import HandlerFailed, Invoker
from .messages import Reject
from .pool import ConnectionPool
from .settings import Settings
from .stream import Stream, TooSlow

#: Answered by the harness itself.
HEALTH_PATH = "/-/health"


class HttpProtocol:
    """Answers on one connection after the other, from any thread."""

    def __init__(self, settings: Settings) -> None:
        self.convert = http_answer
        self._settings = settings
        self._health = error_answer(200, "")
        self._health.body = json.dumps({"status": "ok", "server": settings.server}).encode()

    def serve(self, stream: Stream, client: str, invoker: Invoker, pool: ConnectionPool) -> None:
        """Answers requests until the connection ends. Raises OSError."""
        try:
            while True:
                data = read_head(stream)
                if not data:
                    return
                head = Head(data)
                body = read_body(stream, head, self._settings.max_body_bytes)
                answer = self._answer(head, body, client, invoker)
                keep_alive = head.keep_alive and not pool.wants_room()
                stream.send(to_wire(answer, head.method == "HEAD", keep_alive))
                if not keep_alive:
                    return
        except BadRequest as error:
            self._refuse(stream, error.status, error.message)
        except TooSlow:
            self._refuse(stream, 408, "the rest of the request did not come in time")

    def _answer(self, head: Head, body: bytes, client: str, invoker: Invoker) -> HttpAnswer:
        if head.target == HEALTH_PATH:
            return self._health
        request = make_request(head, body, self._settings.server, client)
        try:
            answer: HttpAnswer = invoker.call(request)
            return answer
        except Reject as reject:
            return error_answer(reject.status, reject.message)
        except HandlerFailed as failure:
            return error_answer(500, str(failure))

    def _refuse(self, stream: Stream, status: int, message: str) -> None:
        stream.send(to_wire(error_answer(status, message), is_head=False, keep_alive=False))
        stream.linger()
