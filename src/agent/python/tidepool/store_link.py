"""One connection to the agent's end of the store: JSON lines, many requests in flight, answers in any order."""

from __future__ import annotations

import json
import socket
import struct
import threading
from typing import Callable, Union

TIME_LIMIT_S = 10.0
MAX_WAITING = 1024
# The largest value in base64, and room for the rest.
_MAX_LINE_BYTES = 128 * 1024


class StoreError(Exception):
    """The store did not do it, or has not said so in time; then it may or may not have been done."""


#: What came back: a line of the store, or why there is none.
Answer = Union[dict, StoreError]
#: Gets the answer, from the thread that reads.
Deliver = Callable[[Answer], object]


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

    def send(self, number: int, request: dict, deliver: Deliver) -> bool:
        """Sends a request; `deliver` gets its answer once, unless it is forgotten. Calls must not overlap.

        False: the connection has ended, and the request was not sent in whole. Raises StoreError when too many wait.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise StoreError(f"{MAX_WAITING} requests wait for the store already")
        with self._lock:
            if not self._is_open:
                return False
            self._waiting[number] = deliver
        try:
            self._socket.sendall(json.dumps({"id": number, **request}).encode() + b"\n")
            return True
        except OSError:
            self._shut_down()
            # When the reader was first, it has delivered the loss of the connection already.
            return self._waiting.pop(number, None) is None

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
        for deliver in waiting.values():
            deliver(StoreError(f"the connection to the store was lost ({why}); it may have been done or not"))

    def _deliver(self, line: bytes) -> None:
        answer = json.loads(line)
        deliver = self._waiting.pop(answer["id"], None)
        if deliver is not None:
            deliver(answer)

    def _shut_down(self) -> None:
        """Wakes the reader."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # It is shut down already.
