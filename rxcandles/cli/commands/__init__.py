"""The commands of ``rxcandles``: one file for each, called like it."""
