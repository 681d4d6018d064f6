"""Bodies that are packed, unpacked up to a bound.

A megabyte of ``gzip`` or ``deflate`` can unpack to a gigabyte. The HTTP client unpacks as the body comes, and whether
it keeps to a bound depends on its version and on the packages that are installed beside it. So it is told to leave
bodies as they are, and only what is known here is asked for.
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
"""A body of gzip may have several members, each a stream of its own; more than these are refused unread."""


class UnpackingError(Exception):
    """Why a body can't be unpacked, in words that quote nothing of it."""


def unpacked(body: bytes, encoding: str | None, limit: int, *, whole: bool = True) -> bytes:
    """Return the body that was sent with this ``Content-Encoding``, but no more than ``limit`` + 1 bytes of it.

    One that is longer than ``limit`` is so seen to be too long. With ``whole=False`` the body may have been cut off
    anywhere, and what there is of it is returned. Raises ``UnpackingError``.
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
    """What zlib is to expect: gzip, zlib's own format, or what some servers send for it, deflate without a header."""
    if encoding in _GZIP:
        return zlib.MAX_WBITS + 16
    return zlib.MAX_WBITS if body and body[0] & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS
