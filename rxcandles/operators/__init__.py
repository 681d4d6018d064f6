"""The candle operators and the generic operators of ``rxcandles.flow`` under one name: ``operators as ops``.

::

    chunks = ops.plan_chunks(request).pipe(
        ops.skip_stored(store), ops.rate_limit(limiter), ops.fetch(exchange), ops.persist(store)
    )
    summary = await ops.run(chunks.pipe(ops.report(print), ops.summarize()))

* From a request to stored chunks: ``plan_chunks``, ``skip_stored``, ``rate_limit``, ``fetch`` (with ``Retry``),
  ``persist``, ``report``, ``guard_plan``, ``summarize``; ``cursors_for`` returns how many cursors use up a rate.
* From candles of a source of your own to a chunk for ``persist``: ``as_chunk``.
* From chunks to candles: ``recall``. From a provider's stream to candles: ``from_stream``; from the
  updates of a feed: ``closed``.
* From candles to candles: ``resample``, ``fill_gaps``, ``between``, ``deduplicate``, ``validate``, ``merge_by_time``,
  ``with_progress``, ``tee``, ``batch``.
* For items of any kind: ``from_demand``, ``from_async_iterable``, ``map_async``, ``concat_map_async``, ``latest``.
* Ways out of Rx: ``run``, ``with_backpressure``, ``to_list``, ``to_sink``.

An ``Operator`` is an argument of ``pipe``: a function that takes an Observable and returns another. Unless its
docstring says otherwise, an operator keeps the order, passes an error on after all items that came before it, and
disposes of its source when it is disposed.
"""

from rxcandles.engine.arrived import as_chunk
from rxcandles.engine.retry import Retry
from rxcandles.flow import (
    Operator,
    batch,
    concat_map_async,
    from_async_iterable,
    from_demand,
    latest,
    map_async,
    run,
    to_list,
    with_backpressure,
)
from rxcandles.operators.between import between
from rxcandles.operators.closed import closed
from rxcandles.operators.deduplicate import deduplicate
from rxcandles.operators.fetch import fetch
from rxcandles.operators.fill_gaps import fill_gaps
from rxcandles.operators.from_stream import from_stream
from rxcandles.operators.guard_plan import guard_plan
from rxcandles.operators.merge_by_time import merge_by_time
from rxcandles.operators.persist import persist
from rxcandles.operators.plan_chunks import cursors_for, plan_chunks
from rxcandles.operators.rate_limit import rate_limit
from rxcandles.operators.recall import recall
from rxcandles.operators.report import report
from rxcandles.operators.resample import resample
from rxcandles.operators.skip_stored import skip_stored
from rxcandles.operators.summarize import summarize
from rxcandles.operators.tee import tee
from rxcandles.operators.to_sink import to_sink
from rxcandles.operators.validate import validate
from rxcandles.operators.with_progress import with_progress

__all__ = [
    "Operator",
    "Retry",
    "as_chunk",
    "batch",
    "between",
    "closed",
    "concat_map_async",
    "cursors_for",
    "deduplicate",
    "fetch",
    "fill_gaps",
    "from_async_iterable",
    "from_demand",
    "from_stream",
    "guard_plan",
    "latest",
    "map_async",
    "merge_by_time",
    "persist",
    "plan_chunks",
    "rate_limit",
    "recall",
    "report",
    "resample",
    "run",
    "skip_stored",
    "summarize",
    "tee",
    "to_list",
    "to_sink",
    "validate",
    "with_backpressure",
    "with_progress",
]
