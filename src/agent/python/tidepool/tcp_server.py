"""Lines over TCP: a line in, a line out."""

from __future__ import annotations

from .answers import line_answer
from .invoker import HandlerFailed, Invoker
from .messages import Reject, Request
from .pool import ConnectionPool
from .settings import Settings
from .stream import Stream, TooSlow


class TcpProtocol:
    """Answers on one connection after the other, from any thread."""

    def __init__(self, settings: Settings) -> None:
        self.convert = line_answer
        self._settings = settings

    def serve(self, stream: Stream, client: str, invoker: Invoker, pool: ConnectionPool) -> None:
        """Answers lines until the connection ends. Raises OSError."""
        while stream.wait() and not pool.is_stopping:
            try:
                line = self._read_line(stream)
            except TooSlow:
                line = None
            if line is None:
                message = f"no end of the line came within {self._settings.max_body_bytes} bytes or in time"
                stream.send(b"error: %s\n" % message.encode())
                stream.linger()
                return
            stream.send(self._answer(Request(line, server=self._settings.server, client=client), invoker))

    def _read_line(self, stream: Stream) -> bytes | None:
        """Without its end; None when it is too long."""
        while True:
            line = stream.until(b"\n", self._settings.max_body_bytes + 2)
            if line:
                line = line[:-2] if line.endswith(b"\r\n") else line[:-1]
                return line if len(line) <= self._settings.max_body_bytes else None
            if len(stream.peek()) > self._settings.max_body_bytes + 1:
                return None
            stream.more()

    def _answer(self, request: Request, invoker: Invoker) -> bytes:
        try:
            answer: bytes = invoker.call(request)
            return answer
        except (Reject, HandlerFailed) as error:
            message = " ".join(str(error).split())
            return b"error: %s\n" % message.encode("utf-8", "replace")
