"""Find the encoding of a text file: by its mark, or else UTF-8, or else that of Korean Windows."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Final

from rxcandles.errors import RequestError
from rxcandles.util.arguments import refusal

__all__ = ["check_encoding", "encoding_of"]

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TRIED: Final = ("utf-8", "cp949")
_NO_TEXT: Final = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf-7", "utf_7"})
_PIECE: Final = 1 << 20


def check_encoding(name: str | None) -> str | None:
    """Return the name of a text encoding; raise :class:`RequestError` if there is none of that name."""
    if name is None:
        return None
    try:
        codec = codecs.lookup(name)
        fits = bool(getattr(codec, "_is_text_encoding", True)) and codec.name not in _NO_TEXT
    except (LookupError, TypeError, ValueError):
        fits = False
    if not fits:
        raise refusal("encoding", name, "name one such as utf-8, cp949 or utf-16, or leave it out to have it found")
    return name


def encoding_of(path: Path, where: str) -> str:
    """Return the encoding of a file; the whole file is read for it."""
    with path.open("rb") as file:
        head = file.read(4096)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if head[1::2].count(0) > len(head) // 4:
        return "utf-16-le"
    if head[::2].count(0) > len(head) // 4:
        return "utf-16-be"
    for name in _TRIED:
        if _reads(path, name):
            return name
    raise RequestError(
        f"{where} is neither UTF-8 nor cp949; say its encoding (--encoding), such as utf-16 or cp1252."
        " Nothing was imported"
    )


def _reads(path: Path, name: str) -> bool:
    decoder = codecs.getincrementaldecoder(name)()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
