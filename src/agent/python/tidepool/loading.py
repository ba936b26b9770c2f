"""Finds the function `handler` in the user's file."""

from __future__ import annotations

import os
import sys
from types import ModuleType

from .invoker import Handler
from .tracebacks import format_error


class NoHandler(Exception):
    """The file does not give a handler."""

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.traceback = traceback


def load_handler(path: str) -> Handler:
    """Runs the file as the module `handler`. Raises NoHandler."""
    name = os.path.basename(path)
    module = ModuleType("handler")
    module.__file__ = os.path.abspath(path)
    sys.modules["handler"] = module
    # Other files beside it can be imported, but do not hide Python's own modules.
    sys.path.append(os.path.dirname(module.__file__))
    try:
        with open(path, "rb") as file:
            source = file.read()
        exec(compile(source, module.__file__, "exec", dont_inherit=True), module.__dict__)
    except OSError as error:
        if error.filename == path:
            raise NoHandler(f"{name} cannot be read: {error.strerror}") from error
        raise _not_importable(name, error) from error
    except BaseException as error:  # SystemExit too.
        raise _not_importable(name, error) from error
    handler: Handler | None = getattr(module, "handler", None)
    if handler is None or not callable(handler):
        raise NoHandler(f"{name} defines no function `handler`")
    return handler


def _not_importable(name: str, error: BaseException) -> NoHandler:
    return NoHandler(f"{name} cannot be imported: it raised {type(error).__name__}", format_error(error))
