"""Binance spot: its client, and the rows of its pages."""

from rxcandles.exchanges.binance.client import BinanceExchange

__all__ = ["BinanceExchange"]
