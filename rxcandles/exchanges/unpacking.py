"""Unpack bodies up to a bound.

A megabyte of ``gzip`` or ``deflate`` can unpack to a gigabyte. The HTTP client unpacks while the body comes, and
whether it keeps to a bound depends on its version and on other installed packages. So the client leaves bodies packed,
and requests ask only for the encodings that this module can unpack.
"""

from __future__ import annotations

import zlib
from typing import Final

__all__ = ["ASKED_FOR", "UnpackingError", "unpacked"]

ASKED_FOR: Final = "gzip, deflate"
"""The ``Accept-Encoding`` header."""

_PLAIN: Final = ("", "identity")
_GZIP: Final = ("gzip", "x-gzip")
_MEMBERS: Final = 64
"""The most members of a gzip body, each a stream of its own; a body with more is refused unread."""


class UnpackingError(Exception):
    """Why a body can't be unpacked, in words that quote nothing of it."""


def unpacked(body: bytes, encoding: str | None, limit: int, *, whole: bool = True) -> bytes:
    """Return the body that was sent with this ``Content-Encoding``, but at most ``limit`` + 1 bytes of it.

    A result longer than ``limit`` shows that the body is too long. With ``whole=False`` the body may be cut off
    anywhere, and its beginning is returned. Raise ``UnpackingError`` if it can't be unpacked.
    """
    encoding = (encoding or "").strip().lower()
    if encoding in _PLAIN:
        return body[: limit + 1]
    if encoding not in _GZIP and encoding != "deflate":
        raise UnpackingError(f"it is packed as {encoding[:40]!r}, which was not asked for")
    found, rest = bytearray(), body
    for _ in range(_MEMBERS):
        unpack = zlib.decompressobj(_window(rest, encoding))
        try:
            found += unpack.decompress(rest, limit + 1 - len(found))
        except zlib.error:
            raise UnpackingError("it was cut short or garbled") from None
        if len(found) > limit or (unpack.eof and not unpack.unused_data):
            return bytes(found)
        if not unpack.eof:
            if whole:
                raise UnpackingError("it was cut short or garbled")
            return bytes(found)
        rest = unpack.unused_data
    raise UnpackingError(f"it is packed in more than {_MEMBERS} pieces")


def _window(body: bytes, encoding: str) -> int:
    """Return the format for zlib: gzip, zlib's own, or deflate without a header, which some servers send for it."""
    if encoding in _GZIP:
        return zlib.MAX_WBITS + 16
    return zlib.MAX_WBITS if body and body[0] & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS
