"""A worker process, as its parent has it."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from typing import Any, Callable

from .board import Row
from .settings import Settings
from .watch import Watch
from .worker import DUMP_SIGNAL, run_worker

MAX_MESSAGE_BYTES = 128 * 1024
#: That are read at a time.
MAX_MESSAGES = 100
MAX_DUMP_BYTES = 256 * 1024


class Child:
    """A process that was forked."""

    def __init__(self, settings: Settings, bound: socket.socket, index: int, row: Row, others: Sequence[Child]) -> None:
        """others: those that run; what the parent holds open for them is not for the new one. Raises OSError."""
        self.index = index
        self.row = row
        self.started_s = time.monotonic()
        self.is_ready = False
        #: Thread of the request that hung; None while none does.
        self.hung_thread: int | None = None
        self._kill_at_s = math.inf
        self._is_asked = False
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.setblocking(False)
        self._dump = os.memfd_create("dump")
        #: Whether it can still tell something.
        self.is_open = True
        try:
            self.pid = os.fork()
        except OSError:
            theirs.close()
            self.close()
            raise
        if self.pid == 0:
            for channel in (self._channel, *(other._channel for other in others)):
                channel.close()
            _run_and_exit(lambda: run_worker(settings, bound, row, theirs, self._dump))
        theirs.close()
        self.watch = Watch(self.pid, settings.request_timeout_s)

    def fileno(self) -> int:
        """Readable when there are messages."""
        return self._channel.fileno()

    def messages(self) -> Iterator[dict[str, Any]]:
        """What it has told since. The handler could send here too, so nothing is taken for granted."""
        for _ in range(MAX_MESSAGES):
            try:
                data = self._channel.recv(MAX_MESSAGE_BYTES)
                self.is_open = data != b""
                message = json.loads(data) if data else None
            except BlockingIOError:
                return
            except (OSError, ValueError, RecursionError):
                self.is_open = False
                return
            if not isinstance(message, dict):
                return
            yield message

    def ask_for_dump(self) -> None:
        """Makes it write tracebacks, once."""
        if not self._is_asked:
            self._is_asked = True
            self._signal(DUMP_SIGNAL)

    def kill_at(self, time_s: float) -> None:
        """It is killed then, by `kill_if_due`."""
        self._kill_at_s = time_s

    def kill_if_due(self, now_s: float) -> None:
        if now_s >= self._kill_at_s:
            self.kill()

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """It finishes what it is at, and exits."""
        self._channel.shutdown(socket.SHUT_WR)

    def read_dump(self) -> str:
        """Tracebacks that it wrote, on request or when it crashed; "" for none."""
        return os.pread(self._dump, MAX_DUMP_BYTES, 0).decode("utf-8", "replace")

    def close(self) -> None:
        """After its end."""
        self._channel.close()
        os.close(self._dump)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass  # It has died, and is about to be reaped.


def _run_and_exit(run: Callable[[], int]) -> None:
    """In the new process: nothing gets out of here into what the parent was at."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number in (signal.SIGTERM, signal.SIGINT):
            # The parent says when. Not SIG_IGN, which programs that the handler starts would inherit.
            signal.signal(number, lambda *_: None)
        code = run()
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                pass  # The handler closed or replaced it.
        os._exit(code)


def describe_end(status: int) -> str:
    """Of waitpid's status: how a process ended."""
    if not os.WIFSIGNALED(status):
        return f"ended with exit code {os.WEXITSTATUS(status)}"
    number = os.WTERMSIG(status)
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return f"was killed by {name}" + (", perhaps for memory" if number == signal.SIGKILL else "")
