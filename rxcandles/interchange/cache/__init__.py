"""Copies of months beside a database, from which data frames are made as fast as from a file."""
