"""Addresses of PostgreSQL servers: ``postgresql://user@host/database``; a password in one is never shown."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, Final
from urllib.parse import unquote

from rxcandles.errors import RequestError
from rxcandles.util.extras import need

__all__ = ["Address", "connection_words", "is_postgres", "secrets_of", "shown_address"]

_SCHEME: Final = re.compile(r"postgres(?:ql)?://", re.IGNORECASE)
_HOST: Final = r"(?:\[[^][/?@]*\]|[^][:,/?@]*)(?::\d*)?"
# As libpq reads it: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS. A password may
# have a ? or a # in it; the first @ ends it.
_ADDRESS: Final = re.compile(
    r"postgres(?:ql)?://(?:(?P<user>[^@/:]*)(?::(?P<password>[^@/]*))?@)?"
    rf"(?P<place>{_HOST}(?:,{_HOST})*)(?P<path>/[^?@]*)?(?:\?(?P<more>.*))?",
    re.IGNORECASE | re.DOTALL,
)
_SECRET: Final = ("password", "sslpassword", "passfile", "oauth_client_secret")

_USUAL: Final[dict[str, Any]] = {
    "application_name": "rxcandles",
    "client_encoding": "utf8",
    "connect_timeout": 10,
    # A server that is gone without a word is noticed within a minute, not after the two hours of most systems.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


class Address(str):
    """An address as it may be shown: the text has no password, and ``url`` is the whole."""

    __slots__ = ("url",)
    url: str

    @classmethod
    def of(cls, url: object) -> Address:
        """Return the address, which may be one already."""
        if isinstance(url, Address):
            return url
        address = cls(shown_address(str(url)))
        address.url = str(url)
        return address


def is_postgres(path: object) -> bool:
    """Return whether this is the address of a PostgreSQL server, and no path."""
    return isinstance(path, str) and _SCHEME.match(path) is not None


def shown_address(url: str) -> str:
    """Return an address without its password and options, for messages.

    >>> shown_address("postgresql://team:secret@db.example/candles?sslmode=require")
    'postgresql://team@db.example/candles'
    """
    parts = _ADDRESS.fullmatch(url)
    if parts is None:  # where a password ends is not known
        return "postgresql://…"
    name = f"{parts['user']}@" if parts["user"] else ""
    return f"postgresql://{name}{parts['place']}{parts['path'] or ''}"


def secrets_of(url: str) -> list[str]:
    """Return what must never be shown of an address: its passwords, as they are written and as they are meant."""
    parts = _ADDRESS.fullmatch(url)
    if parts is None:  # no connection is made by such an address
        return []
    found = [parts["password"] or ""]
    for pair in (parts["more"] or "").split("&"):
        name, _, value = pair.partition("=")
        if name in _SECRET:
            found.append(value)
    return sorted({text for each in found for text in (each, unquote(each)) if text}, key=len, reverse=True)


def connection_words(url: str) -> dict[str, Any]:
    """Return what libpq is given to connect: all that the address says, and our own settings where it is silent.

    Raise ``RequestError`` for an address that libpq can't read, without showing it, and ``ExtraMissingError`` without
    the package psycopg.
    """
    psycopg = need("psycopg", "postgres")
    said: dict[str, Any] | None = None
    # Of an address with a second @ libpq would take a part of the password for the host, and show it.
    if _ADDRESS.fullmatch(url):
        with suppress(psycopg.Error):
            said = dict(psycopg.conninfo.conninfo_to_dict(url))
    if said is None:  # outside of the block: libpq's own words may quote the password
        raise RequestError(
            "the database is no address that can be read (it is not shown, since it may contain a password); write "
            "postgresql://user@host:port/database, and %40 for an @ in a password, %2F for a /"
        )
    return _USUAL | said
