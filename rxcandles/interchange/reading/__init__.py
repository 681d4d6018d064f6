"""Read candles from files and tables of other tools."""
