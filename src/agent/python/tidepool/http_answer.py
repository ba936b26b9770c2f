"""Turns what a handler returned into bytes of HTTP."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from http import HTTPStatus

from .answers import Unsendable, body_bytes
from .messages import Response

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OURS = ("content-length", "transfer-encoding", "connection")
_WITHOUT_BODY = (204, 304)

_phrases = {status.value: status.phrase for status in HTTPStatus}


class HttpAnswer:
    """An answer that can be sent."""

    __slots__ = ("status", "lines", "body")

    def __init__(self, status: int, lines: bytes, body: bytes) -> None:
        self.status = status
        #: Header lines, each with its end.
        self.lines = lines
        self.body = body


def http_answer(answer: object) -> HttpAnswer:
    """Raises Unsendable."""
    if isinstance(answer, Response):
        return _with_headers(answer.body, answer.status, answer.headers)
    if isinstance(answer, tuple):
        if len(answer) not in (2, 3):
            raise Unsendable(
                f"the handler returned a tuple of {len(answer)}, which is not (status, body) or (status, body, headers)"
            )
        return _with_headers(answer[1], answer[0], answer[2] if len(answer) == 3 else None)
    if answer is None:
        return HttpAnswer(204, b"", b"")
    body, media_type = body_bytes(answer)
    return HttpAnswer(200, _type_line(media_type), body)


def error_answer(status: int, message: str) -> HttpAnswer:
    return HttpAnswer(status, _type_line("application/json"), json.dumps({"error": message}).encode())


def to_wire(answer: HttpAnswer, is_head: bool, keep_alive: bool) -> bytes:
    """Status line, headers and body."""
    status, body = answer.status, answer.body
    length = b"" if status in _WITHOUT_BODY else b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/1.1 %d %s\r\nDate: %s\r\n%s%s%s\r\n%s" % (
        status,
        _phrases.get(status, "").encode(),
        _date(),
        answer.lines,
        length,
        b"" if keep_alive else b"Connection: close\r\n",
        b"" if is_head or status in _WITHOUT_BODY else body,
    )


def _with_headers(body: object, status: object, headers: object) -> HttpAnswer:
    if status is None:
        status = 204 if body is None else 200
    if type(status) is not int or not 200 <= status <= 599:
        raise Unsendable(f"the handler returned the status {status!r}; it is a number from 200 to 599")
    data, media_type = (b"", None) if body is None else body_bytes(body)
    lines = _header_lines(headers, media_type)
    return HttpAnswer(status, lines, data)


def _header_lines(headers: object, media_type: str | None) -> bytes:
    if headers is not None and not isinstance(headers, Mapping):
        raise Unsendable(f"the handler returned headers of the type {type(headers).__name__}; they are a dict")
    lines = b""
    for name, value in (headers or {}).items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise Unsendable("the handler returned a header whose name or value is no str")
        if _TOKEN.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise Unsendable(f"the handler returned the header {name[:100]!r} with characters that HTTP does not allow")
        if name.lower() in _OURS:
            raise Unsendable(f"the handler returned the header {name}, which is not for it to set")
        if name.lower() == "content-type":
            media_type = None
        lines += f"{name}: {value}\r\n".encode("latin-1")
    return lines if media_type is None else lines + _type_line(media_type)


def _type_line(media_type: str) -> bytes:
    return b"Content-Type: %s\r\n" % media_type.encode()


_days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_dated: tuple[int, bytes] = (0, b"")


def _date() -> bytes:
    """Now, as HTTP has it; made once a second."""
    global _dated
    now = int(time.time())
    second, text = _dated
    if second != now:
        at = time.gmtime(now)
        day, month = _days[at.tm_wday], _months[at.tm_mon - 1]
        text = f"{day}, {at.tm_mday:02} {month} {at.tm_year} {at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT".encode()
        _dated = (now, text)
    return text
