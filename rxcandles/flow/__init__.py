"""Demand on RxPY: sources that wait, asynchronous stages that are bounded, and the ways out. No candles in here."""

from rxcandles.flow.batching import batch, to_list
from rxcandles.flow.budget import Flow, FlowStats
from rxcandles.flow.decoupling import latest
from rxcandles.flow.demand import Supply, from_demand, on_demand
from rxcandles.flow.iterating import from_async_iterable
from rxcandles.flow.leaving import Stream, run, with_backpressure
from rxcandles.flow.mapping import Operator, concat_map_async, map_async
from rxcandles.flow.reading import Reading
from rxcandles.flow.shared import join

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
