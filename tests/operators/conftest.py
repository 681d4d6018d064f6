"""A store in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from rxcandles.stores import SqliteStore


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    async with SqliteStore(":memory:") as opened:
        yield opened
