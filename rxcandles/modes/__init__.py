"""The three modes over one store and one exchange, and the functions that open them."""
