"""A process that runs the handler. Its parent forked it; see supervisor.py."""

from __future__ import annotations

import faulthandler
import json
import signal
import socket
import time
from typing import Any, Callable, Union

from .answers import datagram_answer
from .board import Row
from .error_log import ErrorLog
from .http_server import HttpProtocol
from .invoker import Handler, Invoker
from .loading import NoHandler, load_handler
from .pool import ConnectionPool
from .settings import Settings
from .tcp_server import TcpProtocol
from .udp_server import UdpServer

#: Requests that are in flight when the service is stopped have so long.
GRACE_S = 2.0
#: The parent asks for tracebacks by it.
DUMP_SIGNAL = signal.SIGUSR1
#: Exit code of a process whose handler cannot be had.
NO_HANDLER = 3
LISTEN_BACKLOG = 1024

Server = Union[ConnectionPool, UdpServer]


def run_worker(settings: Settings, bound: socket.socket, row: Row, channel: socket.socket, dump: int) -> int:
    """Serves until the parent ends the channel. Returns the exit code.

    channel: takes messages to the parent, a JSON object each: `ready`, `failed`, `trouble`.
    dump: a file for tracebacks, of the parent's asking and of crashes.
    """

    def tell(message: dict[str, Any]) -> None:
        try:
            channel.send(json.dumps(message).encode(), socket.MSG_DONTWAIT)
        except OSError:
            pass  # The parent is gone, which ends this process soon, or has enough to read.

    faulthandler.enable(dump)
    faulthandler.register(DUMP_SIGNAL, dump, chain=False)
    log = ErrorLog(lambda text: tell({"type": "trouble", "traceback": text}))
    try:
        handler = load_handler(settings.handler)
    except NoHandler as error:
        tell({"type": "failed", "message": error.message, "traceback": error.traceback})
        return NO_HANDLER
    invoker, server = _make_server(settings, bound, handler, row, log)
    _dump_tasks_too(invoker, dump)
    server.start()
    tell({"type": "ready", "isAsync": invoker.is_async})
    channel.recv(1)
    server.stop()
    _wait_while(server.is_busy)
    return 0


def _make_server(
    settings: Settings, bound: socket.socket, handler: Handler, row: Row, log: ErrorLog
) -> tuple[Invoker, Server]:
    if settings.protocol == "udp":
        invoker = Invoker(handler, datagram_answer, row, log)
        return invoker, UdpServer(bound, invoker, settings, log)
    protocol = HttpProtocol(settings) if settings.protocol == "http" else TcpProtocol(settings)
    invoker = Invoker(handler, protocol.convert, row, log)
    # Not before the handler is there: until then connections are refused, and not left waiting.
    bound.listen(LISTEN_BACKLOG)
    pool = ConnectionPool(bound, lambda stream, client: protocol.serve(stream, client, invoker, pool), log)
    return invoker, pool


def _dump_tasks_too(invoker: Invoker, dump: int) -> None:
    """A coroutine that waits is on no thread's stack; the main thread adds those to the dump."""
    if not invoker.is_async:
        return
    file = open(dump, "w", buffering=1, closefd=False)
    faulthandler.unregister(DUMP_SIGNAL)
    signal.signal(DUMP_SIGNAL, lambda *_: invoker.print_tasks(file))
    faulthandler.register(DUMP_SIGNAL, dump, chain=True)


def _wait_while(is_busy: Callable[[], bool]) -> None:
    ends = time.monotonic() + GRACE_S
    while is_busy() and time.monotonic() < ends:
        time.sleep(0.02)
