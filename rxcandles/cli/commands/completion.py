"""``rxcandles completion``: what the shell needs to complete words."""

from __future__ import annotations

from typing import Final

import click

from rxcandles.cli import options

__all__ = ["completion"]

SHELLS: Final = ("bash", "zsh", "fish")


@click.command(
    help="""Print a shell script for Tab completion of commands, options, stored markets and timeframes.

    Choose the line of your shell, and put it where the comment says. The command reads and writes no file, and uses no
    network; Tab completion itself reads the database.

    \b
    eval "$(rxcandles completion bash)"                              # in ~/.bashrc
    eval "$(rxcandles completion zsh)"                               # in ~/.zshrc
    rxcandles completion fish > ~/.config/fish/completions/rxcandles.fish
    """
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> options.Work:
    """Print the script of click for one shell."""
    group = context.find_root().command

    def work() -> int:
        from click.shell_completion import get_completion_class

        kind = get_completion_class(shell)
        if kind is None:
            raise click.UsageError(f"this version of click can't complete for {shell}")
        click.echo(kind(group, {}, "rxcandles", "_RXCANDLES_COMPLETE").source())
        return 0

    return work
