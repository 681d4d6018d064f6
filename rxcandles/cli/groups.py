"""Groups of commands, and their help."""

from __future__ import annotations

import click

from rxcandles.cli.text import echo

__all__ = ["WholeGroup", "show_help"]


class WholeGroup(click.Group):
    """Lists each command with its whole first sentence, which click would cut off."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        commands = [(name, self.commands[name]) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(1000)) for name, command in commands])


def show_help(context: click.Context) -> None:
    """Print the help of a group if no command of it is given."""
    if context.invoked_subcommand is None:
        echo(*context.get_help().splitlines())
