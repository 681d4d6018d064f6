"""How the simulator looks from outside: a face for each exchange, before the same markets and faults."""
