"""Exchanges: where candles come from, each behind ``rxcandles.ports.Exchange``."""

from rxcandles.engine.checks import CheckedPage, check_page
from rxcandles.exchanges.named import named
from rxcandles.exchanges.upbit import UpbitExchange

__all__ = ["CheckedPage", "UpbitExchange", "check_page", "named"]
