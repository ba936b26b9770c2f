"""How a service is to be run, from the environment that the agent sets."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

PROTOCOLS = ("http", "tcp", "udp")


class Settings:
    """All that the harness is told. Raises ValueError, naming the variable, when something is wrong.

    HANDLER is needed; the rest has defaults that are good for trying a handler on one's own machine.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        def number(name: str, default: int, low: int, high: int) -> int:
            text = environment.get(name, "") or str(default)
            if not (text.isascii() and text.isdigit() and low <= int(text[:12]) <= high):
                raise ValueError(f"{name} is {text!r}, and must be a number from {low} to {high}")
            return int(text)

        def text(name: str, default: str) -> str:
            return environment.get(name, "") or default

        self.host = text("TIDEPOOL_HOST", "0.0.0.0")
        self.port = number("PORT", 8000, 1, 65_535)
        self.protocol = text("TIDEPOOL_PROTOCOL", "http")
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"TIDEPOOL_PROTOCOL is {self.protocol!r}, and must be one of {', '.join(PROTOCOLS)}")
        self.handler = text("TIDEPOOL_HANDLER", "")
        if not self.handler:
            raise ValueError("TIDEPOOL_HANDLER is not set: the file that defines the function `handler`")
        self.processes = number("TIDEPOOL_PROCESSES", len(os.sched_getaffinity(0)), 1, 256)
        self.request_timeout_s = number("TIDEPOOL_REQUEST_TIMEOUT_MS", 30_000, 1, 86_400_000) / 1000
        self.max_body_bytes = number("TIDEPOOL_MAX_BODY_BYTES", 1024 * 1024, 0, 1 << 30)
        self.server = text("TIDEPOOL_SERVER", socket.gethostname())
        #: Path of the status file; "" for none.
        self.status = text("TIDEPOOL_STATUS", "")
