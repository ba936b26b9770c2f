"""The status file that the agent reads."""

from __future__ import annotations

import json
import os
from typing import Any


class StatusFile:
    """Replaced as a whole, so that a reader sees no half of it; left alone when nothing changed."""

    def __init__(self, path: str) -> None:
        """path: "" for no file."""
        self._path = path
        self._written = b""

    def write(self, status: dict[str, Any]) -> None:
        """Raises OSError."""
        data = json.dumps(status).encode() + b"\n"
        if not self._path or data == self._written:
            return
        with open(self._path + ".new", "wb") as file:
            file.write(data)
        os.replace(self._path + ".new", self._path)
        self._written = data
