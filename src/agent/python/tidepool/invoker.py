"""Calls the handler: bounded, counted, and so that nothing it raises gets further."""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any, Callable, TextIO

from .answers import Unsendable
from .async_loop import AsyncLoop
from .board import CELLS, Row
from .messages import Reject, Request

#: A plain handler runs in so many threads of a process at a time; more requests wait. Threads of one process share one
#: core, so more of them would only make each slower. An async handler may have as many as there are cells.
SYNC_AT_A_TIME = 16

Handler = Callable[[Request], Any]


class HandlerFailed(Exception):
    """The handler raised, or what it returned cannot be sent; the message is for its client."""


class Invoker:
    """One for a process; used by all of its threads."""

    def __init__(
        self,
        handler: Handler,
        convert: Callable[[Any], Any],
        row: Row,
        log: Callable[[BaseException], None],
    ) -> None:
        """convert: makes of the handler's answer what is sent; raises Unsendable."""
        self._handler = handler
        self._convert = convert
        self._row = row
        self._log = log
        self._loop = AsyncLoop() if is_async(handler) else None
        #: Whether requests wait for each other in `await`, and not in threads.
        self.is_async = self._loop is not None
        self._free: SimpleQueue[int] = SimpleQueue()
        for cell in range(SYNC_AT_A_TIME if self._loop is None else CELLS):
            self._free.put(cell)

    def call(self, request: Request) -> Any:
        """What `convert` made of the handler's answer. Raises Reject and HandlerFailed only."""
        cell = self._free.get()
        try:
            if self._loop is None:
                return self._call(request, cell)
            return self._loop.run(self._call_async(request, cell))
        except Reject as reject:
            if type(reject.status) is int and 400 <= reject.status <= 599 and isinstance(reject.message, str):
                raise
            raise self._failed(cell, reject) from reject
        except BaseException as error:
            raise self._failed(cell, error) from error
        finally:
            self._free.put(cell)

    def print_tasks(self, file: TextIO) -> None:
        """Where each task of an async handler waits, which tracebacks of threads do not show."""
        if self._loop is not None:
            self._loop.print_tasks(file)

    def _call(self, request: Request, cell: int) -> Any:
        self._row.begin(cell)
        try:
            return self._convert(self._handler(request))
        finally:
            self._row.end(cell)

    async def _call_async(self, request: Request, cell: int) -> Any:
        self._row.begin(cell)
        try:
            return self._convert(await self._handler(request))
        finally:
            self._row.end(cell)

    def _failed(self, cell: int, error: BaseException) -> HandlerFailed:
        self._row.fail(cell)
        self._log(error)
        is_unsendable = isinstance(error, Unsendable)
        return HandlerFailed(str(error) if is_unsendable else f"the handler raised {type(error).__name__}")


def is_async(handler: Handler) -> bool:
    """Whether it is an `async def`, or an object whose `__call__` is one."""
    code = getattr(handler, "__code__", None) or getattr(type(handler).__call__, "__code__", None)
    return code is not None and code.co_flags & 0x80 != 0  # inspect.CO_COROUTINE; inspect is slow to load.
