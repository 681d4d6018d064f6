"""The three modes over one store and one exchange, and the doors to them."""
