"""When a process that died is started again, and when not any more."""

from __future__ import annotations

from collections import deque

FIRST_PAUSE_S = 0.1
MAX_PAUSE_S = 5.0
#: Who lived so long was well.
GOOD_LIFE_S = 10.0
#: So many deaths of each process within the window, without a request answered in between, are enough.
MAX_DEATHS = 6
WINDOW_S = 60.0


class Restarts:
    """The rule, without clock and processes."""

    def __init__(self, processes: int) -> None:
        self._pauses = [0.0] * processes
        self._deaths: deque[float] = deque()
        self._answered = 0

    def died(self, index: int, now_s: float, lived_s: float, answered: int) -> float | None:
        """A process died by itself. Returns the pause before it is started again; None: it would die again.

        answered: requests that all processes have answered so far.
        """
        if answered > self._answered:
            self._answered = answered
            self._deaths.clear()
        self._deaths.append(now_s)
        while self._deaths[0] < now_s - WINDOW_S:
            self._deaths.popleft()
        if len(self._deaths) >= MAX_DEATHS * len(self._pauses):
            return None
        pause = FIRST_PAUSE_S if lived_s >= GOOD_LIFE_S else max(FIRST_PAUSE_S, self._pauses[index] * 2)
        self._pauses[index] = min(pause, MAX_PAUSE_S)
        return self._pauses[index]
