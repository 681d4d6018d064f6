"""What has come of a request over HTTP: its body up to a bound, its headers, and what its errors say."""

from __future__ import annotations

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
from rxcandles.exchanges.unpacking import UnpackingError, unpacked
from rxcandles.model import LONGEST_WAIT

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Answer", "Refused", "beginning", "body_of", "excerpt", "failure_by_status", "one_line"]

_ERROR_BYTES: Final = 4096
"""How much of an error's body is read: enough for its message."""
_EXCERPT: Final = 120
_MESSAGE: Final = 300


class Answer(NamedTuple):
    """A whole answer with status 200."""

    body: bytes
    headers: Mapping[str, str]
    delay: float
    """Seconds before the request went out, spent on opening a connection."""


class Refused(NamedTuple):
    """An answer with another status, or one of 200 that says the same in its body."""

    status: int
    body: bytes
    """Its beginning."""
    what: str
    """In words: what was asked, and who answered with which status."""
    wait: float | None
    """Seconds that its ``Retry-After`` asks to wait."""
    now: float
    """The server's clock, or ours where it does not say: UTC seconds."""


def failure_by_status(refused: Refused, said: str) -> ExchangeError:
    """Return the error that a status stands for everywhere; ``said`` is what the body says."""
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
    """Return the body, unpacked, and whether that is all of it: no more than ``limit`` bytes are read or unpacked.

    Raises ``UnpackingError`` where it was packed in a way that was not asked for, or was cut short.
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
    """Return the first bytes of a body that is of no use; none where they don't come, or can't be unpacked."""
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


def excerpt(body: bytes) -> str:
    """Return the first 120 characters of a body, quoted, for a message."""
    text = body[: _EXCERPT * 4].decode("utf-8", "replace")
    return repr(text[:_EXCERPT]) + ("…" if len(text) > _EXCERPT else "")


def one_line(message: str) -> str:
    """Return at most 300 characters of what a server says, on one line.

    What is no plain text (colours, a line that looks like one of our log's) is escaped, for terminals and logs would
    obey it.
    """
    message = message[:_MESSAGE]
    return message if message.isprintable() else repr(message)
