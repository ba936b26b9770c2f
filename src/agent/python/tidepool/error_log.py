"""What goes wrong in a process, to stderr and to its parent; of very much, a part."""

from __future__ import annotations

import os
import threading
import time
from typing import Callable

from .tracebacks import format_error

#: So many tracebacks in so many seconds.
MAX_SHOWN = 10
WINDOW_S = 10


class ErrorLog:
    """Used by all threads of a process."""

    def __init__(self, report: Callable[[str], None]) -> None:
        """report: gets each traceback that is shown."""
        self._report = report
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._shown = 0
        self._hidden = 0

    def __call__(self, error: BaseException) -> None:
        hidden = self._count()
        if hidden is None:
            return
        if hidden > 0:
            write_stderr(f"{hidden} more errors were not shown\n")
        text = format_error(error)
        write_stderr(text)
        self._report(text)

    def _count(self) -> int | None:
        """None: this one is not to be shown. Else how many were not before it."""
        with self._lock:
            now = time.monotonic()
            hidden = 0
            if now - self._began > WINDOW_S:
                hidden, self._hidden, self._shown, self._began = self._hidden, 0, 0, now
            if self._shown >= MAX_SHOWN:
                self._hidden += 1
                return None
            self._shown += 1
            return hidden


def write_stderr(text: str) -> None:
    """Whatever the handler did to `sys.stderr`."""
    data = text.encode("utf-8", "replace")
    try:
        while data:
            data = data[os.write(2, data) :]
    except OSError:
        pass  # Nobody reads it.
