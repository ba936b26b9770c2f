"""Datagrams: one in, one or none out."""

from __future__ import annotations

import socket
import threading
import time
from typing import Callable

from .answers import MAX_DATAGRAM_BYTES
from .invoker import HandlerFailed, Invoker
from .messages import Reject, Request
from .settings import Settings

#: Of one process, so that a slow request does not hold up the others.
THREADS = 8


class UdpServer:
    """Each thread receives a datagram, answers it and receives again; all processes receive from one socket."""

    def __init__(
        self, bound: socket.socket, invoker: Invoker, settings: Settings, log: Callable[[BaseException], None]
    ) -> None:
        self._socket = bound
        self._invoker = invoker
        self._server = settings.server
        self._max_bytes = min(settings.max_body_bytes, MAX_DATAGRAM_BYTES)
        self._log = log
        self._busy = [False] * THREADS
        self._is_stopping = False

    def start(self) -> None:
        for index in range(THREADS):
            threading.Thread(target=self._run, args=(index,), name=f"datagrams {index}", daemon=True).start()

    def stop(self) -> None:
        """No further datagram is answered."""
        self._is_stopping = True

    def is_busy(self) -> bool:
        return any(self._busy)

    def _run(self, index: int) -> None:
        while not self._is_stopping:
            try:
                data, address = self._socket.recvfrom(self._max_bytes + 1)
            except OSError as error:
                self._log(error)  # Out of memory, which passes.
                time.sleep(0.2)
                continue
            if address is None:  # The parent shut the socket down: no more datagrams.
                return
            if len(data) > self._max_bytes:
                continue
            self._busy[index] = True
            try:
                self._answer(data, address)
            finally:
                self._busy[index] = False

    def _answer(self, data: bytes, address: tuple[str, int]) -> None:
        try:
            answer = self._invoker.call(Request(data, server=self._server, client=address[0]))
            if answer is not None:
                self._socket.sendto(answer, address)
        except (Reject, HandlerFailed):
            pass  # Counted and logged by the invoker. A client that gets nothing asks again.
        except OSError as error:
            self._log(error)  # An address that cannot be answered, for one.
