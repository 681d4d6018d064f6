"""Write candles into files."""
