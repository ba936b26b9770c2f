"""Reads requests of HTTP/1.1 (RFC 9112): strict where leniency would let two programs read one request differently."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote

from .messages import Request
from .stream import Stream

MAX_HEAD_BYTES = 32 * 1024
MAX_HEADERS = 100
MAX_QUERY_FIELDS = 1000

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([!-~]+) HTTP/([0-9])\.([0-9])\r\n")
_HEADERS = re.compile(rb"(?:" + _TOKEN + rb":[^\x00\r\n]*\r\n)*\r\n")
_HEADER = re.compile(rb"([^:\r\n]+):([^\r\n]*)\r\n")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\x00\r\n]*)?\r\n")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class BadRequest(Exception):
    """A request that is answered by the harness. Where the next one would begin is not known: the connection ends."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Head:
    """Request line and headers."""

    __slots__ = ("method", "target", "headers", "keep_alive")

    def __init__(self, head: bytes) -> None:
        """head: from the first byte to the empty line. Raises BadRequest."""
        line = _REQUEST_LINE.match(head)
        if line is None:
            raise BadRequest(400, "the request line is not as in `GET /path HTTP/1.1`")
        method, target, major, minor = line.groups()
        if major != b"1":
            raise BadRequest(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
        if _HEADERS.fullmatch(head, line.end()) is None:
            raise BadRequest(400, "a header is not as in `name: value`")
        pairs = _HEADER.findall(head, line.end())
        if len(pairs) > MAX_HEADERS:
            raise BadRequest(431, f"there are more than {MAX_HEADERS} headers")
        headers: dict[str, str] = {}
        for raw_name, raw_value in pairs:
            name, value = raw_name.decode().lower(), raw_value.strip(b" \t").decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        connection = headers.get("connection", "").lower()
        self.method: str = method.decode()
        self.target: str = target.decode()
        self.headers = headers
        self.keep_alive = "keep-alive" in connection if minor == b"0" else "close" not in connection


def read_head(stream: Stream) -> bytes:
    """The next head, as bytes; b"" when there is none. Raises BadRequest as soon as it is known to be none."""
    if not stream.wait():
        return b""
    while True:
        head = stream.until(b"\r\n\r\n", MAX_HEAD_BYTES)
        if head:
            # Some clients send an empty line too many after a body.
            return head[2:] if head[:2] == b"\r\n" else head
        begun = stream.peek()
        line, end, _ = begun[2 if begun[:2] == b"\r\n" else 0 :].partition(b"\n")
        if len(begun) >= MAX_HEAD_BYTES:
            raise BadRequest(431, f"the request line and headers are longer than {MAX_HEAD_BYTES} bytes")
        if end and _REQUEST_LINE.fullmatch(line + b"\n") is None:
            raise BadRequest(400, "the request line is not as in `GET /path HTTP/1.1`")
        stream.more()


def read_body(stream: Stream, head: Head, max_bytes: int) -> bytes:
    """Raises BadRequest."""
    length, coding = head.headers.get("content-length"), head.headers.get("transfer-encoding")
    if length is None and coding is None:
        return b""
    if length is not None and coding is not None:
        raise BadRequest(400, "there are both Content-Length and Transfer-Encoding")
    if coding is not None and coding.lower() != "chunked":
        raise BadRequest(501, f"the transfer coding {coding!r} is not known here, only chunked")
    size = None if length is None else _parse_length(length)
    if size is not None and size > max_bytes:
        raise _too_long(max_bytes)
    if "100-continue" in head.headers.get("expect", "").lower() and not stream.peek():
        stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    return stream.take(size) if size is not None else _read_chunks(stream, max_bytes)


def make_request(head: Head, body: bytes, server: str, client: str) -> Request:
    """Raises BadRequest when the target cannot be decoded."""
    path, _, query = head.target.partition("?")
    if path[:1] != "/":
        path = _path_of_url(path)
    fields: dict[str, str] = {}
    try:
        if "%" in path:
            _check_percent(path)
            path = unquote(path, errors="strict")
        if query:
            _check_percent(query)
            pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS)
            fields = dict(pairs)
    except ValueError as error:
        raise BadRequest(400, f"the path or query cannot be decoded: {error}") from error
    return Request(
        body, method=head.method, path=path, query=fields, headers=head.headers, server=server, client=client
    )


def _parse_length(text: str) -> int:
    if re.fullmatch("[0-9]{1,18}", text) is None:
        raise BadRequest(400, f"Content-Length is {text[:40]!r}, and must be one number")
    return int(text)


def _read_chunks(stream: Stream, max_bytes: int) -> bytes:
    body = bytearray()
    while True:
        line = _CHUNK_SIZE.fullmatch(_read_line(stream))
        if line is None:
            raise BadRequest(400, "the size of a chunk is no hexadecimal number")
        size = int(line[1], 16)
        if len(body) + size > max_bytes:
            raise _too_long(max_bytes)
        if size == 0:
            break
        body += stream.take(size)
        if stream.take(2) != b"\r\n":
            raise BadRequest(400, "a chunk is longer than it says")
    for _ in range(MAX_HEADERS):
        if _read_line(stream) == b"\r\n":
            return bytes(body)
    raise BadRequest(431, f"there are more than {MAX_HEADERS} trailers")


def _read_line(stream: Stream) -> bytes:
    while True:
        line = stream.until(b"\n", 1024)
        if line:
            return line
        if len(stream.peek()) >= 1024:
            raise BadRequest(400, "a line between chunks is longer than 1024 bytes")
        stream.more()


def _path_of_url(target: str) -> str:
    """Proxies are sent a whole URL. `*` is for OPTIONS."""
    url = re.fullmatch(r"https?://[^/?#]*(/.*)?", target)
    if url is None and target != "*":
        raise BadRequest(400, "the path does not begin with a slash")
    return target if url is None else url[1] or "/"


def _check_percent(text: str) -> None:
    if _BAD_PERCENT.search(text):
        raise ValueError("a % is not followed by two hexadecimal digits")


def _too_long(max_bytes: int) -> BadRequest:
    return BadRequest(413, f"the body is longer than {max_bytes} bytes")
