"""The event loop of a process whose handler is an `async def`."""

from __future__ import annotations

import threading
from collections.abc import Coroutine
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    import asyncio


class AsyncLoop:
    """Runs in a thread of its own; takes work from all others."""

    def __init__(self) -> None:
        import asyncio  # Only now: it is slow to load, and plain handlers need none.

        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        threading.Thread(target=self._loop.run_forever, name="event loop", daemon=True).start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Runs it on the loop, and waits in the calling thread. Raises what it raises."""
        box: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self._loop.call_soon_threadsafe(self._start, work, box)
        answer, error = box.get()
        if error is not None:
            raise error
        return answer

    def print_tasks(self, file: TextIO) -> None:
        """The stack of each task. Called while the loop runs, or hangs."""
        for task in list(self._tasks):
            task.print_stack(limit=20, file=file)
            print(file=file)

    def _start(self, work: Coroutine[Any, Any, Any], box: SimpleQueue[Any]) -> None:
        task = self._loop.create_task(_finish(work, box))
        self._tasks.add(task)  # The loop itself has no lasting hold of it.
        task.add_done_callback(self._tasks.discard)


async def _finish(work: Coroutine[Any, Any, Any], box: SimpleQueue[Any]) -> None:
    try:
        box.put((await work, None))
    except BaseException as error:
        box.put((None, error))
