"""Upbit's spot market."""

from rxcandles.exchanges.upbit.client import UpbitExchange

__all__ = ["UpbitExchange"]
