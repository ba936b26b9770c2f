"""A client's connection as bytes, bounded in size and time: a silent client has a thread only for so long."""

from __future__ import annotations

import socket
import struct
import time
from typing import Callable

#: A client that has begun a message must end it, and take its answer, within this.
MESSAGE_S = 30
#: A connection between two messages is kept for this long.
IDLE_S = 75
#: How often a thread that waits looks whether it still should.
_SLICE_S = 2
_RECEIVE_BYTES = 64 * 1024
_LINGER_S = 1.0

_slice = struct.pack("ll", _SLICE_S, 0)
_message = struct.pack("ll", MESSAGE_S, 0)


class TooSlow(Exception):
    """The client did not send the rest of its message in time."""


class Stream:
    """Used by one thread. Methods raise OSError when the connection is gone, also in the middle of a message."""

    def __init__(self, connection: socket.socket, should_leave: Callable[[], bool]) -> None:
        """should_leave: whether a connection on which nothing goes on should end."""
        # Time limits of the kernel's, because those of Python cost a further system call each time.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _slice)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _message)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection
        self._should_leave = should_leave
        self._data = b""
        self._used = 0
        self._deadline = 0.0
        #: Whether a message has begun that is not answered yet.
        self.is_busy = False

    def wait(self) -> bool:
        """Waits for the first bytes of the next message. False: there will be none."""
        self._deadline = 0.0
        self.is_busy = False
        if self._used == len(self._data) and not self._wait_for_data():
            return False
        self.is_busy = True
        return True

    def _wait_for_data(self) -> bool:
        for _ in range(IDLE_S // _SLICE_S):
            try:
                self._data = self._connection.recv(_RECEIVE_BYTES)
                self._used = 0
                return self._data != b""
            except BlockingIOError:
                if self._should_leave():
                    return False
        return False

    def more(self) -> None:
        """Waits for more of a message that has begun. Raises TooSlow."""
        now = time.monotonic()
        if self._deadline == 0:
            self._deadline = now + MESSAGE_S
        if now > self._deadline:
            raise TooSlow
        try:
            data = self._connection.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionResetError("the client ended it in the middle of a message")
        self._data = self._data[self._used :] + data
        self._used = 0

    def peek(self) -> bytes:
        """What has come and is not taken yet."""
        return self._data[self._used :]

    def until(self, end: bytes, max_bytes: int) -> bytes:
        """Takes what has come up to and with `end`; b"" when that has not come, or would be longer than max_bytes."""
        found = self._data.find(end, self._used, self._used + max_bytes)
        if found < 0:
            return b""
        start, self._used = self._used, found + len(end)
        return self._data[start : self._used]

    def take(self, count: int) -> bytes:
        """Takes so many bytes. Raises TooSlow."""
        parts = []
        missing = count
        while True:
            part = self._data[self._used : self._used + missing]
            self._used += len(part)
            missing -= len(part)
            parts.append(part)
            if missing == 0:
                return b"".join(parts)
            self.more()

    def send(self, data: bytes) -> None:
        sent = self._connection.send(data)
        if sent < len(data):
            self._send_rest(memoryview(data)[sent:])

    def _send_rest(self, data: memoryview) -> None:
        deadline = time.monotonic() + MESSAGE_S
        while data:
            if time.monotonic() > deadline:
                raise ConnectionAbortedError("the client takes its answer too slowly")
            data = data[self._connection.send(data) :]

    def linger(self) -> None:
        """Ends our side, and reads on for a moment: closing with bytes unread would make the client lose the answer."""
        self._connection.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + _LINGER_S
        self._connection.settimeout(_LINGER_S)
        while time.monotonic() < deadline and self._connection.recv(_RECEIVE_BYTES):
            pass
