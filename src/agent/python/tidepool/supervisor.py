"""The parent: binds the port, keeps its processes running, and says how it goes. Nothing of the user's runs in it."""

from __future__ import annotations

import os
import select
import signal
import socket
import time

from .board import make_rows
from .child import Child, describe_end
from .error_log import write_stderr
from .report import Report
from .restarts import Restarts
from .settings import Settings
from .status import StatusFile
from .watch import sort_dump
from .worker import GRACE_S, NO_HANDLER

LOOK_EVERY_S = 0.25
#: With a time limit of very few milliseconds.
SHORTEST_LOOK_S = 0.01
#: A process has so long to write its tracebacks before it is killed.
DUMP_S = 0.5
#: An import that takes longer is told of, with where it is; it goes on.
LONG_IMPORT_S = 30.0
#: The machine had no room for another process; it is tried again.
NO_ROOM_PAUSE_S = 1.0
FAILED = 1


class Supervisor:
    """One service."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._rows = make_rows(settings.processes)
        self._report = Report(StatusFile(settings.status), self._rows)
        self._restarts = Restarts(settings.processes)
        self._children: dict[int, Child] = {}
        #: When which process is to be started.
        self._due_s = dict.fromkeys(range(settings.processes), 0.0)
        self._look_every_s = max(SHORTEST_LOOK_S, min(LOOK_EVERY_S, settings.request_timeout_s / 4))
        self._exit_code: int | None = None

    def run(self) -> int:
        """Returns the exit code: 0 after TERM, 3 when there is no handler, 1 when it failed otherwise."""
        wakeup = self._take_signals()
        try:
            bound = bind(self._settings)
        except OSError as error:
            self._fail(f"port {self._settings.port} cannot be had: {error.strerror}", "", FAILED)
            return FAILED
        while self._exit_code is None:
            self._start_due(bound)
            self._report.refresh()
            self._wait(wakeup, self._look_every_s)
            self._look()
        self._stop(bound, wakeup)
        self._report.refresh()
        return self._exit_code

    def _take_signals(self) -> socket.socket:
        """Returns a socket that becomes readable by TERM, INT and the end of a child."""
        reader, writer = socket.socketpair()
        for end in (reader, writer):
            end.setblocking(False)
        signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        return reader

    def _on_stop(self, *_: object) -> None:
        if self._exit_code is None:
            self._exit_code = 0

    def _start_due(self, bound: socket.socket) -> None:
        now = time.monotonic()
        for index in [index for index, due_s in self._due_s.items() if due_s <= now]:
            try:
                child = Child(self._settings, bound, index, self._rows[index], list(self._children.values()))
            except OSError as error:
                self._report.trouble(f"no process can be started: {error.strerror}", "")
                self._due_s[index] = now + NO_ROOM_PAUSE_S
                continue
            self._children[child.pid] = child
            del self._due_s[index]

    def _wait(self, wakeup: socket.socket, limit_s: float) -> None:
        now = time.monotonic()
        limits = [limit_s, *(due_s - now for due_s in self._due_s.values())]
        readers: list[socket.socket | Child] = [wakeup, *(child for child in self._children.values() if child.is_open)]
        readable, _, _ = select.select(readers, [], [], max(0.0, min(limits)))
        if wakeup in readable:
            wakeup.recv(4096)

    def _look(self) -> None:
        for child in list(self._children.values()):
            self._hear(child)
        self._reap()
        now = time.monotonic()
        for child in self._children.values():
            cell = child.watch.overdue(child.row) if child.hung_thread is None else None
            if cell is not None:
                child.hung_thread = child.row.thread(cell)
                child.ask_for_dump()
                child.kill_at(now + DUMP_S)
            child.kill_if_due(now)
            if not child.is_ready and now - child.started_s > LONG_IMPORT_S:
                self._imports_long(child)

    def _imports_long(self, child: Child) -> None:
        """Who waits for it can see why, and give it up."""
        child.ask_for_dump()
        dump = sort_dump(child.read_dump(), None)
        if dump:
            self._report.trouble("its handler is still being imported", dump)

    def _hear(self, child: Child) -> None:
        for message in child.messages():
            kind, trace = message.get("type"), str(message.get("traceback", ""))
            if kind == "ready":
                child.is_ready = True
                if self._report.state == "starting":
                    self._report.clear()
                child.watch.is_async = message.get("isAsync") is True
                self._report.set_state("serving")
            elif kind == "trouble":
                self._report.trouble("", trace)
            elif kind == "failed":
                self._no_handler(str(message.get("message", "")), trace)

    def _no_handler(self, message: str, trace: str) -> None:
        """When others serve, its process just counts as one that died."""
        if self._report.state == "starting":
            self._fail(message, trace, NO_HANDLER)
        else:
            self._report.trouble(message, trace)

    def _reap(self) -> None:
        """Processes that the handler left behind come to us as well, when we are process 1 of the container."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is not None:
                self._ended(child, status)

    def _ended(self, child: Child, status: int) -> None:
        self._hear(child)
        self._report.lost += child.row.abandon()
        dump = sort_dump(child.read_dump(), child.hung_thread)
        child.close()
        if self._exit_code is not None:
            if not child.is_ready and self._exit_code == 0:
                self._tell("it was stopped while its handler was still being imported", dump)
            return
        self._report.restarts += 1
        now = time.monotonic()
        if child.hung_thread is not None:
            limit_ms = self._settings.request_timeout_s * 1000
            message = f"a request took longer than {limit_ms:.0f} ms, so its process was ended and started again"
            self._tell(message, dump)
            self._due_s[child.index] = now
            return
        how = describe_end(status)
        pause_s = self._restarts.died(child.index, now, now - child.started_s, self._report.answered())
        if pause_s is None:
            self._fail(f"its processes end again and again; the last one {how}", dump, FAILED)
            return
        self._tell(f"a process {how}, and is started again", dump)
        self._due_s[child.index] = now + pause_s

    def _tell(self, message: str, trace: str) -> None:
        write_stderr(f"{message}\n{trace}")
        self._report.trouble(message, trace)

    def _fail(self, message: str, trace: str, exit_code: int) -> None:
        if self._exit_code is not None:
            return
        self._exit_code = exit_code
        self._tell(message, trace)
        self._report.set_state("failed")
        self._report.refresh()

    def _stop(self, bound: socket.socket, wakeup: socket.socket) -> None:
        """Nothing new is taken; what is in flight has the grace; who is left then is killed."""
        ends_s = time.monotonic() + GRACE_S
        self._due_s.clear()
        for child in self._children.values():
            child.stop()
            if not child.is_ready and self._exit_code == 0:
                child.ask_for_dump()
                child.kill_at(time.monotonic() + DUMP_S)
            elif not child.is_ready:
                child.kill()
        try:
            bound.shutdown(socket.SHUT_RD)  # Wakes all who wait on it.
        except OSError:
            pass  # Not connected, says a socket that does not listen yet, and each of udp.
        bound.close()
        while self._children and time.monotonic() < ends_s + DUMP_S:
            self._wait(wakeup, LOOK_EVERY_S)
            for child in self._children.values():
                child.kill_if_due(time.monotonic())
            self._reap()
        for pid, child in list(self._children.items()):
            child.kill()
            _, status = os.waitpid(pid, 0)
            self._ended(self._children.pop(pid), status)


def bind(settings: Settings) -> socket.socket:
    """The socket that all processes share; of http and tcp it does not listen yet. Raises OSError."""
    kind = socket.SOCK_DGRAM if settings.protocol == "udp" else socket.SOCK_STREAM
    bound = socket.socket(socket.AF_INET, kind)
    if kind == socket.SOCK_STREAM:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((settings.host, settings.port))
    return bound
