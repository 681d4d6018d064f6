"""Demand on RxPY: sources that wait, asynchronous stages that are bounded, and the ways out. Knows no candles.

>>> await run(from_demand([[1], [2, 3]]).pipe(batch(2), to_list(10)))
[1, 2, 3]
"""

from rxcandles.flow.batch import batch, to_list
from rxcandles.flow.flow import Flow, FlowStats
from rxcandles.flow.latest import latest
from rxcandles.flow.reading import Reading
from rxcandles.flow.shared import join
from rxcandles.flow.sources import Supply, from_async_iterable, from_demand, on_demand
from rxcandles.flow.stages import Operator, concat_map_async, map_async
from rxcandles.flow.stream import Stream, run, with_backpressure

__all__ = [
    "Flow",
    "FlowStats",
    "Operator",
    "Reading",
    "Stream",
    "Supply",
    "batch",
    "concat_map_async",
    "from_async_iterable",
    "from_demand",
    "join",
    "latest",
    "map_async",
    "on_demand",
    "run",
    "to_list",
    "with_backpressure",
]
