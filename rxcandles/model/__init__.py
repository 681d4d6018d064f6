"""The data of the library: candles, times, spans, requests and reports. Nothing here sends requests or stores."""

from rxcandles.model.candles import ORDERS, CandleData, Candles, CandleWithTrades, Order
from rxcandles.model.request import LONGEST_WAIT, SETTLE_SECONDS, Request, span_between
from rxcandles.model.rows import TRADE_FIELDS, MarkedRow, Row, RowWithTrades, row_fields

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
