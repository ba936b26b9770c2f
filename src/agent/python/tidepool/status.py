"""The status file that the agent reads."""

from __future__ import annotations

import json
import os
import traceback
from types import TracebackType

MAX_TRACEBACK_BYTES = 16 * 1024
MAX_MESSAGE_CHARACTERS = 1000
_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep


class StatusFile:
    """Replaced as a whole, where that can be, so that a reader sees no half of it; left alone when nothing changed."""

    def __init__(self, path: str) -> None:
        """path: "" for no file."""
        self._path = path
        self._written = b""

    def write(self, status: dict) -> None:
        """Raises OSError."""
        data = json.dumps(status).encode() + b"\n"
        if not self._path or data == self._written:
            return
        try:
            with open(self._path + ".new", "wb") as file:
                file.write(data)
            os.replace(self._path + ".new", self._path)
        except OSError:
            # A single file that is mounted into a container cannot be replaced, only written.
            with open(self._path, "wb") as file:
                file.write(data)
        self._written = data


def format_error(error: BaseException) -> str:
    """Its traceback as Python prints it, from the handler's own frames on, at most 16 KiB."""
    error.__traceback__ = _without_own_frames(error.__traceback__)
    try:
        return bounded("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    except Exception as broken:  # An exception whose own methods raise.
        return f"{type(error).__name__} (its traceback cannot be printed: {type(broken).__name__})\n"


def bounded(text: str) -> str:
    """At most 16 KiB in UTF-8, without its middle: how it began and how it ended say most."""
    data = text.encode("utf-8", "replace")
    if len(data) <= MAX_TRACEBACK_BYTES:
        return data.decode()
    half = MAX_TRACEBACK_BYTES // 2 - 16
    return data[:half].decode("utf-8", "ignore") + "\n  [...]\n" + data[-half:].decode("utf-8", "ignore")


def _without_own_frames(trace: TracebackType | None) -> TracebackType | None:
    own = trace
    while own is not None and own.tb_frame.f_code.co_filename.startswith(_OWN_FOLDER):
        own = own.tb_next
    return own if own is not None else trace
