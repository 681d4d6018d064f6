"""Collect from many addresses: a scheduler of Dask hands parts of requests to workers, one address each.

All workers write into one database, which is the record of what is done: a part that is done twice costs requests,
never candles. :meth:`rxcandles.CandleDataProvider.collect_many` with ``client=…`` is the way in.
"""

from __future__ import annotations

__all__: list[str] = []
