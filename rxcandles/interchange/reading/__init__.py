"""From files and tables of other tools into candles."""
