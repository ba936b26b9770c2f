"""Numbers that all processes of the harness share in memory, so that counting costs no message."""

from __future__ import annotations

import mmap
import threading
import time

#: Requests that one process can work on at a time.
CELLS = 64


class Row:
    """The numbers of one process. It writes them; the parent reads them, also when the process hangs or has died.

    Each request that is worked on has a cell of its own, so threads need no lock.
    """

    def __init__(self, numbers: memoryview) -> None:
        self._started, self._threads, self._answered, self._failed = (
            numbers[i * CELLS : (i + 1) * CELLS] for i in range(4)
        )

    def begin(self, cell: int) -> None:
        """The calling thread starts to work on a request."""
        self._threads[cell] = threading.get_ident()
        self._started[cell] = time.monotonic_ns()

    def end(self, cell: int) -> None:
        self._started[cell] = 0
        self._answered[cell] += 1

    def fail(self, cell: int) -> None:
        """The request of this cell failed; `end` is called as well."""
        self._failed[cell] += 1

    def in_flight(self) -> list[tuple[int, int]]:
        """Cells with a request, and when each began (time.monotonic_ns)."""
        return [(cell, started) for cell, started in enumerate(self._started) if started]

    def thread(self, cell: int) -> int:
        """Identity of the thread that works, or worked last, in this cell."""
        return self._threads[cell]

    def answered(self) -> int:
        return sum(self._answered)

    def failed(self) -> int:
        return sum(self._failed)

    def abandon(self) -> int:
        """The process is gone: forgets what it worked on. Returns how many requests those were."""
        lost = len(self.in_flight())
        for cell in range(CELLS):
            self._started[cell] = 0
        return lost


def make_rows(count: int) -> list[Row]:
    """Rows in memory that processes forked later share."""
    size = 4 * CELLS
    numbers = memoryview(mmap.mmap(-1, count * size * 8)).cast("Q")
    return [Row(numbers[i * size : (i + 1) * size]) for i in range(count)]
