"""A simulated exchange that counts as exchanges do: each source address has a limit of its own."""

from __future__ import annotations

import collections
from typing import Any

from aiohttp import web

from rxcandles.simulator import Simulator
from rxcandles.simulator.limit import Limit, Verdict

__all__ = ["ByAddress"]


class ByAddress(Simulator):
    """Allows ``rate`` requests a second to each address; ``by_address`` counts the answers of each by their status."""

    def __init__(self, *markets: Any, rate: float | None = 10, **options: Any) -> None:
        super().__init__(*markets, rate=rate, **options)
        self._rate = rate
        self._limits: dict[str, Limit] = collections.defaultdict(lambda: Limit(self._rate, 20))
        self.by_address: dict[str, collections.Counter[int]] = collections.defaultdict(collections.Counter)

    def _limited(self, path: str, request: web.BaseRequest) -> Verdict | None:
        whose = str(request.remote)
        self.limit = self._limits[whose]
        verdict = super()._limited(path, request)
        self.by_address[whose][0 if verdict is None else verdict.status] += 1
        return verdict
