"""Candles and their coverage in a PostgreSQL database, for a team that collects from many machines."""
