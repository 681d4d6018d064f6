"""What texts name (documents, messages), held against what there is: commands, options, names, files."""

from __future__ import annotations

import ast
import builtins
import contextlib
import contextvars
import inspect
import io
import re
import shlex
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import click
import reactivex
from reactivex import operators as rx

import rxcandles
from rxcandles import CandleData, charts, errors, events, exchanges, operators, simulator
from rxcandles.cli import cli
from rxcandles.model import moments
from rxcandles.model.timeframe import Timeframe
from tests.support.documents import DOCUMENTS

ROOT = Path(__file__).parents[2]
STANDS_FOR = {
    "N": "50",
    "FILE": "some.csv",
    "FOLDER": "some",
    "NEW": "new.db",
    "URL": "http://127.0.0.1:8080",
    "SPAN": "2024-01-01",
}
"""What a word in capital letters stands for in a command."""


PROGRAMS = {path.stem: path for room in ("profiling", "profiling/soak") for path in (ROOT / room).glob("[a-z]*.py")}
"""The files of the programs that measure, by their names."""


def options() -> set[str]:
    """All options of all commands, and of ``rxcandles`` itself."""
    params = [each for command in (cli, *cli.commands.values()) for each in command.params]
    found = {name for each in params if isinstance(each, click.Option) for name in (*each.opts, *each.secondary_opts)}
    return found | {"--help", "-h"}


def words_of(command: str) -> list[str]:
    """The words of a line for a shell after ``rxcandles``, with what its capitals stand for."""
    words = shlex.split(re.sub(r"\\?\|\w+", "", command), comments=True)
    words = words[words.index(next(each for each in words if each.endswith("rxcandles"))) + 1 :]
    return [STANDS_FOR.get(re.sub(r"\W", "", each), each) for each in words]


def parse(words: list[str]) -> None:
    """Let the command line read ``words``, without doing what they say; raises ``click.ClickException``."""
    with contextlib.redirect_stdout(io.StringIO()):
        # What an option sets for a run (--patience) is set for nobody else.
        contextvars.copy_context().run(cli.main, words, "rxcandles", standalone_mode=False)


def option_fault(text: str) -> str | None:
    """What is wrong with options that a text shows, as ``--tz KST`` or ``--since``; None where a command takes them."""
    words = words_of(f"rxcandles {text}")
    if unknown := sorted({each for each in words if each.startswith("-") and each != "-"} - options()):
        return f"no command has {', '.join(unknown)}"
    if len(words) == 1:
        return None
    faults = []
    above = click.Context(cli, **cli.context_settings)  # a command keeps the names of its help, which are from here
    for name, command in cli.commands.items():
        try:
            contextvars.copy_context().run(command.make_context, name, list(words), above).close()
            return None
        except click.MissingParameter:
            return None  # something else that it needs
        except click.ClickException as error:
            faults.append(error.format_message())
    return min(faults, key=lambda fault: fault.startswith("No such option"))


@cache
def names() -> frozenset[str]:
    """Every public name: of modules, classes, their attributes and parameters; of commands, options and Rx."""
    found = {*dir(builtins), *dir(rx), *dir(reactivex), *dir(reactivex.Observable), *dir(CandleData), *cli.commands}
    found |= {name for operator in vars(rx).values() for name in _inside(operator)}
    found |= {option.lstrip("-") for option in options()}
    for module in (rxcandles, operators, charts, errors, events, simulator, exchanges):
        for name in module.__all__:
            found.add(name)
            found |= set(_inside(getattr(module, name)))
    return frozenset(found)


def _inside(thing: object) -> Iterator[str]:
    """Parameters of a function; attributes of a class, and parameters of its methods."""
    if inspect.isfunction(thing) or inspect.isclass(thing):
        with contextlib.suppress(ValueError):
            yield from inspect.signature(thing).parameters
    if inspect.isclass(thing):
        for name in [*dir(thing), *getattr(thing, "__annotations__", ())]:
            if not name.startswith("_"):
                yield name
                method = inspect.getattr_static(thing, name, None)
                if inspect.isfunction(method):
                    yield from inspect.signature(method).parameters


@cache
def literals() -> frozenset[str]:
    """Every string of the source that is one word: kinds, events, fields, headers, variables."""
    found: set[str] = set()
    for path in (ROOT / "rxcandles").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return frozenset(found)


def is_file(text: str) -> bool:
    """Whether there is such a file or folder: from the top, in the package, or beside a document."""
    places = {ROOT, ROOT / "rxcandles", *((ROOT / name).parent for name in DOCUMENTS)}
    return any((place / text).exists() for place in places)


def is_value(text: str) -> bool:
    """Whether it is a timeframe, a length or a time, as each is written here, a count, or a market."""
    bare = text.strip("'\"")
    if re.fullmatch(r"[A-Z]{3,4}-[\w$*]+", bare, re.ASCII):
        return True
    for read in (Timeframe.of, partial(moments.read_length, "last"), partial(moments.read_time, "since"), int):
        with contextlib.suppress(ValueError):
            read(bare)
            return True
    return False
