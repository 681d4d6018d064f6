"""What the simulator's tests share: a client that hides nothing, and the recorded answers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import attrs
import msgspec
import pytest
from yarl import URL

from rxcandles.simulator import Simulator

RECORDED = Path(__file__).parents[2] / "../shared/recorded"


@attrs.frozen
class Reply:
    status: int
    headers: Any
    body: bytes

    @property
    def candles(self) -> list[dict[str, Any]]:
        return msgspec.json.decode(self.body, type=list[dict[str, Any]])

    @property
    def opens(self) -> list[str]:
        return [candle["candle_date_time_utc"] for candle in self.candles]


Ask = Callable[..., Awaitable[Reply]]


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    """Send a GET: ``await ask(sim, "minutes/1", market="KRW-BTC", count=2, headers={...})``."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def get(sim: Simulator, path: str, headers: dict[str, str] | None = None, **query: Any) -> Reply:
            path = path if path.startswith("/") else f"/v1/candles/{path}"
            url = URL(f"{sim.base_url}{path}{'?' if query else ''}{urlencode(query)}", encoded=True)
            async with session.get(url, headers=headers) as response:
                return Reply(response.status, response.headers, await response.read())

        yield get


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The folder with the exchange's recorded answers."""
    if not RECORDED.is_dir():
        pytest.skip("the recorded answers are not here")
    return RECORDED


@pytest.fixture
def recorded_text(recorded: Path) -> Callable[[str], str]:
    """The text of the recorded file that fits a pattern."""
    return lambda pattern: next(recorded.glob(pattern)).read_text()


@pytest.fixture
def form() -> Callable[[str], list[list[tuple[str, str]]]]:
    """Reduce a body to its form: the fields of each candle in order, with 9 for the digits of their values.

    What stands before the point is one 9: ``162483000.00000000`` and ``5.12000000`` are both ``9.99999999``.
    """

    def value(text: str) -> str:
        return re.sub(r"^-?9+(?=\.|$)", "9", re.sub(r"\d", "9", text))

    return lambda body: [
        [(name, value(text)) for name, text in re.findall(r'"(\w+)":("[^"]*"|[^,}]*)', row)]
        for row in re.findall(r"\{[^{}]*\}", body)
    ]
