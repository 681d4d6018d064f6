"""A file for each tool whose files people bring: how to know them, and what they say of themselves."""
