"""What PostgreSQL's errors mean, and what to do about each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rxcandles.errors import StoreError

__all__ = ["is_again", "is_lost", "server_error"]

_HINTS: Final = {
    "28P01": "give the password in the address, in ~/.pgpass, or by PGPASSWORD",
    "28000": "the server does not let this user in; see its pg_hba.conf",
    "3D000": "create the database first: createdb NAME",
    "42501": "this role may not do that: the guide says what a reader and a writer must be granted",
    "25006": "it is a standby, or set to read only; name the server that may be written to",
    "53300": "it has as many connections as it allows; close some, raise max_connections, or use pgbouncer",
    "53100": "its disk is full: what was stored before is whole; make room and ask again",
    "53200": "its memory is used up: what was stored before is whole; ask again",
    "55P03": "another process is writing to this series; wait until it is done, or raise busy_timeout",
    "57P01": "the server has ended the connection; run it again",
    "57014": "the server's own time limit has ended a statement; raise statement_timeout",
    "22P05": "its encoding has no such letter; use a database with the encoding UTF8",
    "23P01": "its coverage can't be: two spans overlap; check it with `rxcandles verify`",
    "42P01": "its tables are not as this program makes them; restore a copy",
    "42703": "its tables are not as this program makes them; restore a copy",
}
"""What to do, by SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html."""

_UNREACHABLE: Final = "check that the server runs, and the host and the port in the address"

_LOST: Final = {"57P01", "57P02", "57P03", "08000", "08003", "08006", "08001", "08004"}
"""The server ends, starts, or can't be reached: https://www.postgresql.org/docs/current/errcodes-appendix.html."""

_AGAIN: Final = {"40001", "40P01"}
"""Two transactions have met, and one was undone as a whole."""


def is_lost(error: Any, connection: Any) -> bool:
    """Return whether the connection is gone, so that another one has to be made."""
    return bool(getattr(error, "sqlstate", None) in _LOST or connection is None or connection.closed)


def is_again(error: Any) -> bool:
    """Return whether the same may be tried again at once: nothing of it was done."""
    return getattr(error, "sqlstate", None) in _AGAIN


def server_error(name: str, error: Any, secrets: Sequence[str] = ()) -> StoreError:
    """Return an error of psycopg as a ``StoreError`` that says what to do, in one line and without a password."""
    diagnosis = getattr(error, "diag", None)
    words = " ".join(str(getattr(diagnosis, "message_primary", None) or error).split()) or type(error).__name__
    for secret in secrets:
        words = words.replace(secret, "…")
    state = getattr(error, "sqlstate", None)
    hint = _HINTS.get("25006" if "during recovery" in words else state or "")
    if hint is None and state is None and type(error).__name__ == "OperationalError":
        hint = next((_HINTS[code] for text, code in _BY_WORDS if text in words), _UNREACHABLE)
    return StoreError(f"{name}: {words}" + (f" ({state})" if state else "") + (f"; {hint}" if hint else ""))


_BY_WORDS: Final = (
    ("password authentication failed", "28P01"),
    ("no password supplied", "28P01"),
    ("no pg_hba.conf entry", "28000"),
    ("does not exist", "3D000"),
    ("too many", "53300"),
)
"""A failed attempt to connect has words, and no code."""
