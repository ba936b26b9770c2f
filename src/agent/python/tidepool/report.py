"""What the agent is told about the service, by the status file."""

from __future__ import annotations

import time
from typing import Any

from .board import Row
from .error_log import write_stderr
from .status import StatusFile
from .tracebacks import bounded

EVERY_S = 0.5
#: What went wrong is told for so long, when it goes on well.
TROUBLE_S = 60.0
MAX_MESSAGE_CHARACTERS = 1000


class Report:
    """State, last trouble and numbers. `refresh` writes them: at once after a change, else twice a second."""

    def __init__(self, status: StatusFile, rows: list[Row]) -> None:
        self._status = status
        self._rows = rows
        self._message = ""
        self._traceback = ""
        self._told_s = 0.0
        self._is_new = True
        self._written_s = 0.0
        self._is_writable = True
        self.state = "starting"
        self.restarts = 0
        #: Requests that were in flight in processes that ended.
        self.lost = 0

    def set_state(self, state: str) -> None:
        self.state = state
        self._is_new = True

    def trouble(self, message: str, traceback: str) -> None:
        """Something went wrong. message: one sentence, or "" for what is only in the traceback; which may be "" too."""
        if message:
            self._message = message[:MAX_MESSAGE_CHARACTERS]
            self._told_s = time.monotonic()
        if traceback:
            self._traceback = bounded(traceback)
        self._is_new = True

    def clear(self) -> None:
        """It is well."""
        self._message = self._traceback = ""

    def answered(self) -> int:
        """Requests that were answered, also with an error."""
        return sum(row.answered() for row in self._rows)

    def refresh(self) -> None:
        now = time.monotonic()
        if not self._is_new and now - self._written_s < EVERY_S:
            return
        self._is_new = False
        self._written_s = now
        if self.state == "serving" and now - self._told_s > TROUBLE_S:
            self._message = ""
        try:
            self._status.write(self._content())
            self._is_writable = True
        except OSError as error:
            if self._is_writable:
                write_stderr(f"the status file cannot be written: {error}\n")
            self._is_writable = False

    def _content(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "message": self._message,
            "traceback": self._traceback,
            "restarts": self.restarts,
            "inFlight": sum(len(row.in_flight()) for row in self._rows),
            "requests": self.answered() + self.lost,
            "errors": sum(row.failed() for row in self._rows) + self.lost,
        }
