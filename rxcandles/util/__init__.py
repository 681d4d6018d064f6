"""What any library needs, and nothing of candles: arguments, files, threads, and how things are shown."""
