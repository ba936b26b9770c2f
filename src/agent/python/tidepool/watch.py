"""Finds requests that take too long, and says where they hang."""

from __future__ import annotations

import re
import time

from .board import Row

#: While their process works, requests are charged their share of the time only, so that many at once do not look like a
#: hang. Not less than this share, so that one that never ends is found also among many.
MIN_SHARE = 1 / 4
#: Part of a core that a process uses at least when it works. Others may want the core too.
WORKING = 1 / 4
# What passes at most between two looks. A VM that was paused had more, and nobody worked.
_MAX_STEP_S = 1.0


class Watch:
    """Of one process: how long it has worked on each of its requests."""

    def __init__(self, pid: int, limit_s: float) -> None:
        # The kernel's clock of the CPU time of another process; see clock_getcpuclockid(3).
        self._cpu_clock = (~pid << 3) | 2
        self._limit_s = limit_s
        self._looked_s = time.monotonic()
        self._cpu_s = 0.0
        self._ages: dict[tuple[int, int], float] = {}
        #: Async handlers take turns by themselves: each works alone from its start to its first `await`.
        self.is_async = False

    def overdue(self, row: Row) -> int | None:
        """A cell whose request has taken too long. To be called often."""
        now = time.monotonic()
        step = min(now - self._looked_s, _MAX_STEP_S)
        requests = row.in_flight()
        charged = step * self._share(step, len(requests))
        self._looked_s = now
        self._ages = {request: self._ages[request] + charged if request in self._ages else 0.0 for request in requests}
        return next((cell for (cell, _), age in self._ages.items() if age > self._limit_s), None)

    def _share(self, step: float, requests: int) -> float:
        before = self._cpu_s
        try:
            self._cpu_s = time.clock_gettime(self._cpu_clock)
        except OSError:  # It has just died.
            return 1.0
        is_shared = not self.is_async and requests > 1 and self._cpu_s - before > step * WORKING
        return max(1 / requests, MIN_SHARE) if is_shared else 1.0


def sort_dump(dump: str, thread: int | None) -> str:
    """What faulthandler wrote, with what is most telling first: that thread (None: the one that ran), then tasks."""
    parts = [part for part in re.split(r"\n(?=Thread 0x|Current thread 0x|Task )|\n\n", dump) if part.strip()]
    first = "Fatal |Current thread " if thread is None else rf"(Current t|T)hread 0x0*{thread:x}\b"

    def rank(part: str) -> int:
        if re.match(first, part):
            return 0
        return 1 if part.startswith("Task ") else 2

    return "\n\n".join(part.rstrip() for part in sorted(parts, key=rank)) + "\n" if parts else ""
