"""A page that shows markets while they are followed: candles as they close, and how following them goes.

``serve_page`` serves it beside a feed, to browsers of this machine unless told otherwise.

::

    async with provider.follow("KRW-BTC", "1m") as feed:
        async with serve_page(feed, provider.repository, port=0) as page:
            print(page.url)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rxcandles.serve.hub import Followed
    from rxcandles.serve.server import PageServer, serve_page

__all__ = ["Followed", "PageServer", "serve_page"]

_HOMES = {"Followed": "hub", "PageServer": "server", "serve_page": "server"}


def __getattr__(name: str) -> Any:
    # Loaded when first used: every command imports what judges health from here, and few serve a page.
    if name in _HOMES:
        return getattr(import_module(f"rxcandles.serve.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
