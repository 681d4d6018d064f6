"""The data of the library: candles, times, spans, requests and reports. Nothing here sends requests or stores."""

from rxcandles.model.candles import (
    ORDERS,
    TRADE_FIELDS,
    CandleData,
    Candles,
    CandleWithTrades,
    MarkedRow,
    Order,
    Row,
    RowWithTrades,
    row_fields,
)
from rxcandles.model.request import LONGEST_WAIT, SETTLE_SECONDS, Request, span_between

__all__ = [
    "LONGEST_WAIT",
    "ORDERS",
    "SETTLE_SECONDS",
    "TRADE_FIELDS",
    "CandleData",
    "CandleWithTrades",
    "Candles",
    "MarkedRow",
    "Order",
    "Request",
    "Row",
    "RowWithTrades",
    "row_fields",
    "span_between",
]
