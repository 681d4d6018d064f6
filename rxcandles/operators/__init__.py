"""The candle operators, and the generic ones of ``rxcandles.flow``, under one name: ``operators as ops``."""

from rxcandles.flow import (
    Operator,
    batch,
    concat_map_async,
    from_demand,
    latest,
    map_async,
    run,
    to_list,
    with_backpressure,
)
from rxcandles.operators.fetch import Retry, fetch
from rxcandles.operators.guard_plan import guard_plan
from rxcandles.operators.persist import persist
from rxcandles.operators.plan_chunks import cursors_for, plan_chunks
from rxcandles.operators.rate_limit import rate_limit
from rxcandles.operators.recall import recall
from rxcandles.operators.report import report
from rxcandles.operators.skip_stored import skip_stored
from rxcandles.operators.summarize import summarize

__all__ = [
    "Operator",
    "Retry",
    "batch",
    "concat_map_async",
    "cursors_for",
    "fetch",
    "from_demand",
    "guard_plan",
    "latest",
    "map_async",
    "persist",
    "plan_chunks",
    "rate_limit",
    "recall",
    "report",
    "run",
    "skip_stored",
    "summarize",
    "to_list",
    "with_backpressure",
]
