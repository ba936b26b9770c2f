"""The threads of one process that serve connections."""

from __future__ import annotations

import errno
import select
import socket
import threading
import time
from typing import Callable

from .stream import Stream

#: Of one process. When there are more, each ends after its message, so that all get a turn.
MAX_CONNECTIONS = 64

Serve = Callable[[Stream, str], None]


class ConnectionPool:
    """Each thread accepts a connection, serves it to its end and accepts again, so none is handed over.

    While there is room, one thread waits for a connection. All processes wait on one socket, and a connection is taken
    by the one that gets round to it first: not by one that is busy, nor by one that hangs.
    """

    def __init__(self, listener: socket.socket, serve: Serve, log: Callable[[BaseException], None]) -> None:
        """serve: answers on a connection (stream, client's address) until it ends; may raise OSError."""
        self._listener = listener
        self._serve = serve
        self._log = log
        listener.setblocking(False)
        self._poll = select.poll()
        self._poll.register(listener, select.POLLIN)
        self._accepting = threading.Lock()
        self._lock = threading.Lock()
        self._threads = 0
        self._waiting = 0
        self._streams: set[Stream] = set()
        self.is_stopping = False

    def start(self) -> None:
        with self._lock:
            self._add_thread()

    def stop(self) -> None:
        """No new connection is taken; those that there are end after the message that they are at."""
        self.is_stopping = True

    def is_busy(self) -> bool:
        """Whether any message is being worked on."""
        return any(stream.is_busy for stream in list(self._streams))

    def _add_thread(self) -> None:
        self._threads += 1
        self._waiting += 1
        threading.Thread(target=self._run, name=f"connection {self._threads}", daemon=True).start()

    def _run(self) -> None:
        while not self.is_stopping:
            try:
                connection, address = self._accept()
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if error.errno == errno.EINVAL:  # The parent shut the socket down: no more connections.
                    return
                self._log(error)  # Out of file descriptors or memory, which passes.
                time.sleep(0.2)
                continue
            with connection:
                self._taken()
                self._serve_one(connection, address[0])
            with self._lock:
                self._waiting += 1

    def _accept(self) -> tuple[socket.socket, tuple[str, int]]:
        with self._accepting:
            while True:
                # Waiting in `accept` would take the connection before this process knows whether it can go on.
                self._poll.poll()
                try:
                    return self._listener.accept()
                except BlockingIOError:
                    pass  # Another process was quicker.

    def _taken(self) -> None:
        with self._lock:
            self._waiting -= 1
            if self._waiting == 0 and self._threads < MAX_CONNECTIONS:
                try:
                    self._add_thread()
                except RuntimeError as error:  # The limit of processes is reached: fewer threads do as well.
                    self._threads -= 1
                    self._waiting -= 1
                    self._log(error)

    def _serve_one(self, connection: socket.socket, client: str) -> None:
        try:
            stream = Stream(connection, self.wants_room)
            self._streams.add(stream)
            try:
                self._serve(stream, client)
            finally:
                self._streams.discard(stream)
        except OSError:
            pass  # The client went away, which is its right.
        except Exception as error:
            self._log(error)

    def wants_room(self) -> bool:
        """Whether a connection should end once its message is answered: others may wait for its thread."""
        return self.is_stopping or self._waiting == 0
