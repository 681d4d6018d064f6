"""Whether a database is true: verify finds what is wrong with it, repair mends it."""
