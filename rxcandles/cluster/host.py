"""What a worker needs to open a provider: it travels, so it is a function by its name, texts and numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import attrs

from rxcandles.errors import RequestError
from rxcandles.model import Request
from rxcandles.model.reports import CollectionProgress, CollectionSummary
from rxcandles.stores.postgres.address import is_postgres

__all__ = ["Collecting", "Host", "check_shared"]


class Collecting(Protocol):
    """What a worker uses of a provider."""

    async def collect(
        self,
        request: Request,
        progress_callback: Callable[[CollectionProgress], object] | None = None,
        *,
        refetch: bool = False,
        include_imported: bool = False,
    ) -> CollectionSummary:
        """Collect a request into the store."""
        ...


@attrs.frozen
class Host:
    """How a provider is opened in any process: ``connect(store, exchange, **options)``.

    Two that are equal share a provider.
    """

    connect: Callable[..., AbstractAsyncContextManager[Collecting]] = attrs.field(repr=False)
    """A function of a module: only its name travels."""
    store: str = attrs.field(repr=False)
    """Never shown, since it may have a password."""
    exchange: str
    """Name of the exchange, and of the resource that a worker has for each of its addresses."""
    options: tuple[tuple[str, Any], ...] = ()
    """Further arguments."""

    @classmethod
    def of(
        cls,
        connect: Callable[..., AbstractAsyncContextManager[Collecting]],
        store: str,
        exchange: str,
        options: Mapping[str, Any],
    ) -> Host:
        """Return a host."""
        return cls(connect, store, exchange, tuple(sorted(options.items())))

    def opening(self, source: str | None) -> AbstractAsyncContextManager[Collecting]:
        """Return a provider that is not open yet, and that sends from the address ``source`` of its machine."""
        return self.connect(self.store, self.exchange, source_address=source, **dict(self.options))


def check_shared(store: str) -> None:
    """Raise ``RequestError`` for a store that workers on other machines can't write to."""
    if not is_postgres(store):
        raise RequestError(
            f"a scheduler is given, and the store is {store!r}, an SQLite file, which workers on other machines can't "
            "write to; give a PostgreSQL database, 'postgresql://user@host/name', or leave the scheduler out"
        )
