"""How people and programs write markets, timeframes, times, zones, numbers and names of columns."""
