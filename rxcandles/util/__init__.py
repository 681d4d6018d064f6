"""What any library needs, without candles: arguments, files, threads, and how objects are shown."""
