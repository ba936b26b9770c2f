"""The event loop of a process whose handler is an `async def`."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Coroutine
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    import asyncio


MAX_FRAMES = 50


class AsyncLoop:
    """Runs in a thread of its own; takes work from all others."""

    def __init__(self) -> None:
        import asyncio  # Only now: it is slow to load, and plain handlers need none.

        # Before Python 3.10, locks and events that the handler's file made hold on to the main thread's loop already.
        self._loop = asyncio.get_event_loop() if sys.version_info < (3, 10) else asyncio.new_event_loop()
        self._tasks: dict[asyncio.Task[None], None] = {}
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
        """Where each of them waits, the oldest first. Called while the loop runs, or hangs."""
        for task in list(self._tasks):
            frames = awaiting(task.get_coro())
            file.write("Task (most recent call last):\n" + "".join(traceback.format_list(frames)) + "\n")

    def _start(self, work: Coroutine[Any, Any, Any], box: SimpleQueue[Any]) -> None:
        task = self._loop.create_task(_finish(work, box))
        self._tasks[task] = None  # The loop itself has no lasting hold of it.
        task.add_done_callback(self._tasks.pop)


def awaiting(work: Any) -> list[traceback.FrameSummary]:
    """The lines at which a coroutine, and what it waits for, stand. `Task.get_stack` has only the outermost."""
    frames: list[traceback.FrameSummary] = []
    while work is not None and len(frames) < MAX_FRAMES:
        frame = getattr(work, "cr_frame", None) or getattr(work, "gi_frame", None)
        if frame is not None:
            frames.extend(traceback.StackSummary.extract([(frame, frame.f_lineno)]))
        work = getattr(work, "cr_await", None) or getattr(work, "gi_yieldfrom", None)
    return frames


async def _finish(work: Coroutine[Any, Any, Any], box: SimpleQueue[Any]) -> None:
    try:
        box.put((await work, None))
    except BaseException as error:
        box.put((None, error))
