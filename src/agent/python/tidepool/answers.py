"""The bytes of what a handler returned."""

from __future__ import annotations

import json

_to_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Unsendable(Exception):
    """What a handler returned cannot be sent; the message says why."""


def body_bytes(answer: object) -> tuple[bytes, str]:
    """The bytes of an answer and their media type. Raises Unsendable."""
    try:
        if isinstance(answer, str):
            return answer.encode(), "text/plain; charset=utf-8"
        if isinstance(answer, (dict, list)):
            return _to_json(answer).encode(), "application/json"
        if isinstance(answer, (bytes, bytearray)):
            return bytes(answer), "application/octet-stream"
    except (TypeError, ValueError, RecursionError) as error:
        raise Unsendable(f"the handler returned a {type(answer).__name__} that cannot be sent: {error}") from error
    raise Unsendable(
        f"the handler returned an object of the type {type(answer).__name__}, which cannot be sent: "
        "str, bytes, dict, list and None can, and over http a tuple (status, body) or a Response"
    )


def line_answer(answer: object) -> bytes:
    """A line with its end; nothing for None. Raises Unsendable."""
    if answer is None:
        return b""
    line, _ = body_bytes(answer)
    if b"\n" in line:
        raise Unsendable("the handler returned an answer with a line feed, and over tcp an answer is one line")
    return line + b"\n"


#: What IPv4 and the headers leave of 64 KiB.
MAX_DATAGRAM_BYTES = 65_507


def datagram_answer(answer: object) -> bytes | None:
    """None: nothing is sent. Raises Unsendable."""
    if answer is None:
        return None
    data, _ = body_bytes(answer)
    if len(data) > MAX_DATAGRAM_BYTES:
        raise Unsendable(f"the handler returned {len(data)} bytes; a datagram has at most {MAX_DATAGRAM_BYTES}")
    return data
