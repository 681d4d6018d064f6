"""How an answer goes out: its headers, and whole, compressed, cut short or without end."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from hashlib import md5
from typing import Final, cast

from aiohttp import web

from rxcandles.model.naming import SIMULATED_BY, SIMULATED_HEADER
from rxcandles.simulator.answers import Answer, Cut

__all__ = ["answer_headers", "reset", "send", "server_headers", "upbit_headers"]

_HEADERS: Final = {
    "Cache-Control": "no-cache, no-store, max-age=0, must-revalidate",
    "Pragma": "no-cache",
    "Expires": "0",
    "Vary": "origin,access-control-request-method,access-control-request-headers,accept-encoding",
}


def upbit_headers(answer: Answer, body: bytes, now: float, remaining_req: str | None, known: bool) -> dict[str, str]:
    """Return the headers of Upbit's ``answer`` (recorded 2025-07-30 and 2026-03-11).

    The gateway, which answers paths that are not ``known``, adds none of the exchange's own. ``Limit-By-Ip`` comes with
    ``Remaining-Req``.
    """
    own: dict[str, str] = {}
    if known:
        own |= _HEADERS
        if remaining_req is not None:
            own |= {"Limit-By-Ip": "Yes", "Remaining-Req": remaining_req}
        if answer.status == 200:
            own["ETag"] = f'W/"0{md5(body, usedforsecurity=False).hexdigest()}"'
    return answer_headers(answer, now, own)


def answer_headers(answer: Answer, now: float, own: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of ``answer``: the exchange's ``own``, and those that the answer replaces or leaves out.

    ``now`` is the server's clock, for ``Date``. Every answer says that it is simulated.
    """
    headers = {**server_headers(now), "Content-Type": answer.content_type, **own}
    for name, value in answer.headers.items():
        for same in [each for each in headers if each.lower() == name.lower()]:
            del headers[same]
        if value is not None:
            headers[name] = value
    return headers


def server_headers(now: float) -> dict[str, str]:
    """Return the headers that nothing goes out without."""
    return {"Date": _date(int(now)), SIMULATED_HEADER: SIMULATED_BY}


@lru_cache(16)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


async def send(
    request: web.BaseRequest, answer: Answer, body: bytes, headers: dict[str, str], compress: bool
) -> web.StreamResponse:
    """Send ``answer``; ``compress`` where the client accepts gzip. Ends early where the client leaves."""
    if answer.endless:
        return await _send_endless(request, web.StreamResponse(status=answer.status, headers=headers), body)
    if answer.stalled:
        return await _send_half(request, web.StreamResponse(status=answer.status, headers=headers), body)
    if answer.cut:
        return await _send_cut(request, web.StreamResponse(status=answer.status, headers=headers), body, answer.cut)
    if compress and "gzip" in request.headers.get("Accept-Encoding", ""):
        # Compressed answers come in chunks, without their length (documented for the quotation API).
        body = gzip.compress(body, 1, mtime=0)
        packed = web.Response(body=body, status=answer.status, headers={**headers, "Content-Encoding": "gzip"})
        packed.enable_chunked_encoding()
        return packed
    kind = web.Response if "Date" in headers else _Undated
    return kind(body=body, status=answer.status, headers=headers)


class _Undated(web.Response):
    """An answer without a ``Date``, which the library gives to each that has none."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall("Date", None)


def reset(transport: asyncio.BaseTransport) -> None:
    """Reset a connection: closing with lingering switched on and no time for it does."""
    linger = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    cast(asyncio.WriteTransport, transport).abort()


async def _send_endless(request: web.BaseRequest, response: web.StreamResponse, body: bytes) -> web.StreamResponse:
    response.enable_chunked_encoding()
    await response.prepare(request)
    while request.transport is not None and not request.transport.is_closing():
        await response.write(body or b" ")
        # A write that fits the buffers does not wait, and nobody else would have a turn.
        await asyncio.sleep(0)
    return response


async def _send_half(request: web.BaseRequest, response: web.StreamResponse, body: bytes) -> web.StreamResponse:
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    await asyncio.Event().wait()  # the handler is cancelled when the client leaves
    return response


async def _send_cut(
    request: web.BaseRequest, response: web.StreamResponse, body: bytes, cut: Cut
) -> web.StreamResponse:
    transport = request.transport
    if cut != "before":
        response.content_length = len(body)
        await response.prepare(request)
        # aiohttp keeps the headers back until there is a body to send them with.
        await response.write(body[: len(body) // 2] if cut == "body" else body[:1])
    if transport is not None:
        if cut == "headers":
            reset(transport)
        else:
            transport.close()
    return response
