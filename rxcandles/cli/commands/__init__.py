"""The commands of ``rxcandles``, one file for each, under the name of the command."""
