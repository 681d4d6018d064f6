"""A page that shows markets while they are followed: candles as they close, and how following them goes.

``serve_page`` serves it beside a feed, to browsers of this machine unless told otherwise.

::

    async with provider.follow("KRW-BTC", "1m") as feed:
        async with serve_page(feed, provider.repository, port=0) as page:
            print(page.url)
"""

from rxcandles.serve.hub import Followed
from rxcandles.serve.server import PageServer, serve_page

__all__ = ["Followed", "PageServer", "serve_page"]
