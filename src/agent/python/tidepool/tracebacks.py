"""Tracebacks as text for a person: the handler's part of them, and not more than is of use."""

from __future__ import annotations

import os
import traceback
from types import TracebackType

from .answers import Unsendable

MAX_BYTES = 16 * 1024
_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep


def format_error(error: BaseException) -> str:
    """As Python prints it, from the handler's own frames on, at most 16 KiB."""
    try:
        trace = _without_own_frames(error)
        return bounded("".join(traceback.format_exception(type(error), error, trace)))
    except Exception as broken:  # The methods of the exception itself raise.
        return f"{type(error).__name__} (its traceback cannot be printed: {type(broken).__name__})\n"


def bounded(text: str) -> str:
    """At most 16 KiB in UTF-8, without its middle: how it began and how it ended say most."""
    data = text.encode("utf-8", "replace")
    if len(data) <= MAX_BYTES:
        return data.decode()
    half = MAX_BYTES // 2 - 16
    return data[:half].decode("utf-8", "ignore") + "\n  [...]\n" + data[-half:].decode("utf-8", "ignore")


def _without_own_frames(error: BaseException) -> TracebackType | None:
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OWN_FOLDER):
        trace = trace.tb_next
    # Only frames of ours: of these two no frame says more than the message; of anything else it is our mistake.
    return trace if trace is not None or isinstance(error, (Unsendable, SyntaxError)) else error.__traceback__
