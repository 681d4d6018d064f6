"""The answer to a request over HTTP: its body up to a bound, its headers, and what its errors mean."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from rxcandles.errors import (
    BannedError,
    ExchangeError,
    InvalidResponseError,
    RateLimitedError,
    RequestRejectedError,
    ServerError,
)
from rxcandles.exchanges.headers import http_date, retry_after
from rxcandles.exchanges.unpacking import UnpackingError, unpacked
from rxcandles.model import LONGEST_WAIT

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Answer", "Refused", "beginning", "body_of", "excerpt", "failure_by_status", "one_line", "refused_by"]

_ERROR_BYTES: Final = 4096
"""Bytes of an error's body that are read: enough for its message."""
_EXCERPT: Final = 120
_MESSAGE: Final = 300


class Answer(NamedTuple):
    """A complete answer with status 200."""

    body: bytes
    headers: Mapping[str, str]
    delay: float
    """Seconds spent on opening a connection before the request went out."""


class Refused(NamedTuple):
    """An answer with another status, or one with status 200 whose body is an error."""

    status: int
    body: bytes
    """The beginning of its body."""
    what: str
    """What was asked, who answered, and with which status, in words."""
    wait: float | None
    """Seconds to wait, by its ``Retry-After``."""
    now: float
    """The server's clock, or ours if it sends none: UTC seconds."""


def failure_by_status(refused: Refused, said: str) -> ExchangeError:
    """Return the error that a status stands for with every exchange; ``said`` is the message in the body."""
    status, _, what, wait, _ = refused
    asks = "" if wait is None else f"; it asks to wait {wait:,.10g} s"
    if wait is not None and wait > LONGEST_WAIT:
        asks += ", longer than is waited for here: ask again after that"
    if status == 429:
        return RateLimitedError(f"{what}, too many requests: {said}{asks}", wait)
    if status == 418:
        return BannedError(f"{what}, this address is blocked: {said}{asks}", wait)
    if status >= 500:
        return ServerError(f"{what}: {said}{asks}", wait)
    if status >= 400:
        return RequestRejectedError(f"{what}: {said}")
    return InvalidResponseError(f"{what} where 200 is expected: {excerpt(refused.body)}")


async def body_of(response: aiohttp.ClientResponse, limit: int, *, packed: bool) -> tuple[bytes, bool]:
    """Return the unpacked body, and whether that is all of it; at most ``limit`` bytes are read or unpacked.

    Raise ``UnpackingError`` if it is packed in a way that was not asked for, or if it is cut short.
    """
    encoding = response.headers.get("Content-Encoding") if packed else None
    come = bytearray()
    async for piece in response.content.iter_any():
        come += piece
        if len(come) > limit:
            response.close()
            break
    whole = len(come) <= limit
    body = unpacked(bytes(come), encoding, limit, whole=whole)
    return body, whole and len(body) <= limit


async def beginning(response: aiohttp.ClientResponse, *, packed: bool) -> bytes:
    """Return the first bytes of a useless body; none if they do not come, or can't be unpacked."""
    import aiohttp

    body = b""
    try:
        while len(body) < _ERROR_BYTES and (piece := await response.content.read(_ERROR_BYTES - len(body))):
            body += piece
    except (aiohttp.ClientError, TimeoutError, OSError):
        pass
    try:
        return unpacked(body, response.headers.get("Content-Encoding") if packed else None, _ERROR_BYTES, whole=False)
    except UnpackingError:
        return b""


async def refused_by(response: aiohttp.ClientResponse, what: str, *, packed: bool) -> Refused:
    """Return what an answer with another status than 200 says."""
    date = http_date(response.headers.get("Date"))
    now = time.time() if date is None else date
    wait = retry_after(response.headers.get("Retry-After"), now)
    return Refused(response.status, await beginning(response, packed=packed), what, wait, now)


def excerpt(body: bytes) -> str:
    """Return the first 120 characters of a body, quoted, for a message."""
    text = body[: _EXCERPT * 4].decode("utf-8", "replace")
    return repr(text[:_EXCERPT]) + ("…" if len(text) > _EXCERPT else "")


def one_line(message: str) -> str:
    """Return at most 300 characters of a server's text, on one line.

    Everything that is not plain text (colours, a line that looks like one of our log's) is escaped, so that it can't
    control a terminal or forge a log.
    """
    message = message[:_MESSAGE]
    return message if message.isprintable() else repr(message)
