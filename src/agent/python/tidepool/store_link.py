"""One connection to the agent's end of the store: JSON lines, many requests in flight, answers in any order."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Mapping
from typing import Callable, Union

TIME_LIMIT_S = 10.0
MAX_WAITING = 1024
# The largest value in base64, and room for the rest.
_MAX_LINE_BYTES = 128 * 1024


class StoreError(Exception):
    """The store did not do it, or has not said so in time; then it may or may not have been done."""


#: What came back: a line of the store, or why there is none.
Answer = Union[dict, StoreError]
#: Gets a request's number and its answer, from the thread that reads.
Deliver = Callable[[int, Answer], object]


class StoreLink:
    """A connection. When it ends, all that wait on it get a StoreError, and it takes no more requests."""

    def __init__(self, path: str) -> None:
        """Connects. Raises StoreError."""
        if not path:
            raise StoreError("there is no store here: TIDEPOOL_STORE is not set")
        self._waiting: dict[int, Deliver] = {}
        self._lock = threading.Lock()
        self._is_open = True
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(TIME_LIMIT_S), 0))
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise StoreError(f"the store cannot be reached: {error}") from error
        threading.Thread(target=self._read, name="store", daemon=True).start()

    def send(self, requests: Mapping[int, dict], deliver: Deliver) -> bool:
        """Sends requests, by their numbers; `deliver` gets each answer once, unless forgotten. Calls must not overlap.

        False: the connection has ended, and nothing went out. Raises StoreError when too many wait.
        """
        if len(self._waiting) + len(requests) > MAX_WAITING:
            raise StoreError(f"{MAX_WAITING} requests wait for the store already")
        lines = "".join(json.dumps({"id": number, **request}) + "\n" for number, request in requests.items())
        with self._lock:
            if not self._is_open:
                return False
            self._waiting.update(dict.fromkeys(requests, deliver))
        data = memoryview(lines.encode())
        sent = 0
        try:
            while sent < len(data):
                sent += self._socket.send(data[sent:])
            return True
        except OSError:
            self._shut_down()
            # When the reader was first, it has taken all, to deliver the loss of the connection.
            unanswered = [number for number in requests if self._waiting.pop(number, None) is not None]
            # What may have been carried out is not sent again: it could undo what others wrote since.
            if sent == 0 and len(unanswered) == len(requests):
                return False
            for number in unanswered:
                deliver(number, _lost("it was ended"))
            return True

    def forget(self, number: int) -> None:
        """Nobody waits for this answer any more."""
        self._waiting.pop(number, None)

    def _read(self) -> None:
        why = "it was ended"
        try:
            with self._socket.makefile("rb") as lines:
                while True:
                    line = lines.readline(_MAX_LINE_BYTES)
                    if not line.endswith(b"\n"):
                        break
                    self._deliver(line)
        except Exception as error:
            why = repr(error)
        with self._lock:
            self._is_open = False
            waiting, self._waiting = self._waiting, {}
        self._shut_down()
        self._socket.close()
        for number, deliver in waiting.items():
            deliver(number, _lost(why))

    def _deliver(self, line: bytes) -> None:
        answer = json.loads(line)
        number = answer["id"]
        deliver = self._waiting.pop(number, None)
        if deliver is not None:
            deliver(number, answer)

    def _shut_down(self) -> None:
        """Wakes the reader."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # It is shut down already.


def _lost(why: str) -> StoreError:
    return StoreError(f"the connection to the store was lost ({why}); it may have been done or not")
