"""Markets, timeframes, times, zones, numbers and column names, as people and programs write them."""
