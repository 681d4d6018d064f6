"""A server for the programs that watch a collector: ``/health`` and ``/metrics``, for this machine only."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from rxcandles.serve.guard import SAFE, refusal_of
from rxcandles.serve.health import Health
from rxcandles.serve.listening import CLOSING, listening
from rxcandles.serve.metrics import CONTENT_TYPE, metrics_of
from rxcandles.util.arguments import check_count
from rxcandles.util.webservers import stopped

__all__ = ["HealthServer"]

_HOST: Final = "127.0.0.1"


class HealthServer:
    """Answers inside of ``async with``; ``look`` says how it goes at each question.

    ``/health`` has the status 200 if all is well, else 503. Raises ``RequestError`` if the port can't be had.
    """

    def __init__(self, look: Callable[[], Health], port: int) -> None:
        self._look = look
        self._port = check_count("port", port, 0, 65_535)
        self._web: web.Server | None = None
        self._listener: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where to ask."""
        return f"http://{_HOST}:{self._port}/health"

    async def __aenter__(self) -> Self:
        """Begin to answer."""
        server = web.Server(self._answer, access_log=None)
        self._listener = await listening("health", server, _HOST, self._port)
        self._web, self._port = server, self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listener is not None and self._web is not None:
            await stopped(self._listener, self._web, CLOSING)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        refused = refusal_of(request, _HOST, self._port)
        if refused is not None:
            return refused
        if request.path == "/health":
            health = self._look()
            return web.Response(
                status=200 if health.ok else 503,
                text=json.dumps(health.to_dict()) + "\n",
                content_type="application/json",
                headers=SAFE,
            )
        if request.path == "/metrics":
            headers = {**SAFE, "Content-Type": CONTENT_TYPE}
            return web.Response(body=metrics_of(self._look()).encode(), headers=headers)
        return web.Response(status=404, text="There are only /health and /metrics\n", headers=SAFE)
