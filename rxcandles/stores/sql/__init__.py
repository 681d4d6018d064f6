"""What SQLite and PostgreSQL do alike: candles and their coverage, in SQL that both understand."""
