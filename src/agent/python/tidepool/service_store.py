"""The key-value store that all VMs of a service share, as its handlers see it."""

from __future__ import annotations

import base64
import itertools
import threading
from collections.abc import Iterable, Mapping
from queue import Empty, SimpleQueue

from .store_link import TIME_LIMIT_S, Answer, Deliver, StoreError, StoreLink

MAX_KEY_BYTES = 512
MAX_VALUE_BYTES = 64 * 1024
# Of `get_many` and `add_many`, so many requests are under way at a time: together they and their answers have some MB.
_TOGETHER = 128


class Store:
    """A small durable store of bytes by key: one for the whole service, whichever VM asks.

    Keys are str of 1 to 512 bytes in UTF-8, values at most 64 KiB; a str is stored as UTF-8. What is written is
    durable when the call returns. Safe to use from many threads; each method has a twin for `async def` handlers
    (`aget`, `aput`, `aadd`, `adelete`). All raise ValueError or TypeError for a wrong key or value, and StoreError when
    it failed or took longer than 10 seconds. `get_many` and `add_many` are many times as fast as a call for each; async
    handlers gather calls instead.
    """

    def __init__(self, path: str) -> None:
        """path: Unix socket of the agent; nothing is opened before the first use."""
        self._path = path
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._link: StoreLink | None = None
        self._ids = itertools.count(1)

    def get(self, key: str) -> bytes | None:
        """The value, or None."""
        return self._ask("get", key)

    def put(self, key: str, value: bytes | str) -> None:
        """Writes, over what is there."""
        self._ask("put", key, value)

    def add(self, key: str, value: bytes | str) -> bytes:
        """Writes unless there is a value. Returns the value that then stands: of all who add, one wins, all see it."""
        return self._ask("add", key, value) or b""

    def delete(self, key: str) -> None:
        """Deletes; no error when there is nothing."""
        self._ask("delete", key)

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes | None]:
        """`get` for each key."""
        return self._ask_many({key: _request("get", key) for key in keys})

    def add_many(self, values: Mapping[str, bytes | str]) -> dict[str, bytes]:
        """`add` for each; the values that then stand. After an error some may have been written: call it again."""
        requests = {key: _request("add", key, value) for key, value in values.items()}
        return {key: value or b"" for key, value in self._ask_many(requests).items()}

    async def aget(self, key: str) -> bytes | None:
        """`get` for async handlers."""
        return await self._ask_async("get", key)

    async def aput(self, key: str, value: bytes | str) -> None:
        """`put` for async handlers."""
        await self._ask_async("put", key, value)

    async def aadd(self, key: str, value: bytes | str) -> bytes:
        """`add` for async handlers."""
        return await self._ask_async("add", key, value) or b""

    async def adelete(self, key: str) -> None:
        """`delete` for async handlers."""
        await self._ask_async("delete", key)

    def _ask(self, op: str, key: str, value: bytes | str | None = None) -> bytes | None:
        return self._ask_together([_request(op, key, value)])[0]

    def _ask_many(self, requests: dict[str, dict]) -> dict[str, bytes | None]:
        keys = list(requests)
        answers: dict[str, bytes | None] = {}
        while len(answers) < len(keys):
            some = keys[len(answers) : len(answers) + _TOGETHER]
            # One after the other, so that there is always room for the requests of others.
            with self._turn:
                answers.update(zip(some, self._ask_together([requests[key] for key in some])))
        return answers

    def _ask_together(self, requests: list[dict]) -> list[bytes | None]:
        answers: dict[int, Answer] = {}
        done: SimpleQueue[None] = SimpleQueue()

        def deliver(number: int, answer: Answer) -> None:
            answers[number] = answer
            # Once for all of them: to wake the thread that waits is dear.
            if len(answers) == len(requests):
                done.put(None)

        link, numbers = self._send(requests, deliver)
        try:
            done.get(timeout=TIME_LIMIT_S)
        except Empty:
            raise _too_late() from None
        finally:
            for number in numbers:
                link.forget(number)
        return [_value(answers[number]) for number in numbers]

    async def _ask_async(self, op: str, key: str, value: bytes | str | None = None) -> bytes | None:
        import asyncio  # Only now: it is slow to load, and most handlers need none.

        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()

        def settle(answer: Answer) -> None:
            if not future.done():
                future.set_result(answer)

        def deliver(_: int, answer: Answer) -> None:
            loop.call_soon_threadsafe(settle, answer)

        link, (number,) = self._send([_request(op, key, value)], deliver)
        try:
            return _value(await asyncio.wait_for(future, TIME_LIMIT_S))
        except asyncio.TimeoutError:
            raise _too_late() from None
        finally:
            link.forget(number)

    def _send(self, requests: list[dict], deliver: Deliver) -> tuple[StoreLink, list[int]]:
        with self._lock:
            numbers = [next(self._ids) for _ in requests]
            numbered = dict(zip(numbers, requests))
            if self._link is not None and self._link.send(numbered, deliver):
                return self._link, numbers
            # The first request, or the connection has ended before any of this went out.
            self._link = StoreLink(self._path)
            if self._link.send(numbered, deliver):
                return self._link, numbers
            raise StoreError("the store cannot be reached: it ends each connection")


def _request(op: str, key: str, value: bytes | str | None = None) -> dict:
    if not isinstance(key, str):
        raise TypeError(f"a key of the store is a str, not {type(key).__name__}")
    size = len(key.encode())
    if not 1 <= size <= MAX_KEY_BYTES:
        raise ValueError(f"a key of the store has 1 to {MAX_KEY_BYTES} bytes in UTF-8, not {size}")
    if op in ("get", "delete"):
        return {"op": op, "key": key}
    if not isinstance(value, (str, bytes, bytearray)):
        raise TypeError(f"a value of the store is bytes or str, not {type(value).__name__}")
    data = value.encode() if isinstance(value, str) else bytes(value)
    if len(data) > MAX_VALUE_BYTES:
        raise ValueError(f"a value of the store has at most {MAX_VALUE_BYTES} bytes, not {len(data)}")
    return {"op": op, "key": key, "value": base64.b64encode(data).decode()}


def _value(answer: Answer) -> bytes | None:
    if isinstance(answer, StoreError):
        raise answer
    if answer.get("error"):
        raise StoreError(f"the store refused it: {answer['error']}")
    value = answer.get("value")
    return None if value is None else base64.b64decode(value)


def _too_late() -> StoreError:
    return StoreError(f"the store did not answer within {TIME_LIMIT_S:.0f} seconds; it may have been done or not")
