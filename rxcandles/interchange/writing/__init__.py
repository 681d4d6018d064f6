"""From candles into files."""
