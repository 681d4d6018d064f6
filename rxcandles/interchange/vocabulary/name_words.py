"""Read the series from the words of a file name, or of a line above a header, in any case and order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import attrs

from rxcandles.interchange.vocabulary.statements import Statement
from rxcandles.interchange.vocabulary.words import coin_called, exchange_called, frame_word, joined_pair, pair_of
from rxcandles.interchange.vocabulary.zones import zone_in_words

__all__ = ["Words", "read_line", "read_words"]

_ENDS: Final = re.compile(
    r"(?:\.(?:csv|tsv|txt|parquet|pq|feather|arrow|json|jsonl|ndjson|gz|zip|bak|part|crdownload))+$", re.IGNORECASE
)
_MARKS: Final = re.compile(r"[\s_\-.,;:()\[\]{}+/|–—−~&#=@]+")


@attrs.frozen
class Words:
    """What some words state."""

    markets: tuple[str, ...]
    """Markets such as ``KRW-BTC``, and coins alone, in their order."""
    frames: tuple[str, ...]
    exchanges: tuple[str, ...]


def read_words(text: str) -> Words:
    """Return what a text states, word by word."""
    words = [word for word in _MARKS.split(_ENDS.sub("", text)) if word]
    words = [part for word in words for part in _parts(word)]
    markets: list[str] = []
    frames: list[str] = []
    exchanges: list[str] = []
    loose: list[str] = []
    # An unknown coin in lower case counts only if its market stands alone: krw-xyz_1m.
    two = sum(not (word.isdigit() or frame_word(word, alone=True) or exchange_called(word)) for word in words) == 2
    at = 0
    while at < len(words):
        word, after = words[at], words[at + 1] if at + 1 < len(words) else ""
        if exchange := exchange_called(word):
            exchanges.append(exchange)
        elif after and (coin := coin_called(f"{word} {after}")):
            markets.append(coin)
            at += 1
        elif after and (pair := _pair_at(words, at, sure=two)):
            markets.append("-".join(pair))
            at += 1
        elif pair := joined_pair(word):
            markets.append("-".join(pair))
        elif named := frame_word(word, alone=False):
            frames.append(named[0])
        elif (
            after
            and re.fullmatch(r"\d{1,3}", word)
            and frame_word(after, alone=True)
            and frame_word(word + after, alone=False)
        ):
            frames.append(word + after)
            at += 1
        elif after and re.fullmatch(r"\d{1,3}", after) and re.fullmatch(r"(?i)min(ute)?s?|hours?|days?", word):
            frames.append(after + word)
            at += 1
        elif frame_word(word, alone=True):
            loose.append(word)
        elif coin := coin_called(word):
            markets.append(coin)
        at += 1
    # "daily" is a timeframe beside a market; alone it may mean how often something is done.
    return Words(tuple(markets), (*frames, *(loose if markets and not frames else ())), tuple(exchanges))


def read_line(line: str) -> Statement | None:
    """Return what a line above the header states, or None if it states nothing."""
    words, named = read_words(line), zone_in_words(line)
    by = f"by the line {line.strip()[:60]!r} above its header"
    statement = Statement(
        by,
        markets=words.markets,
        frames=words.frames,
        exchanges=words.exchanges,
        zone=named.zone,
        unclear=named.unclear,
    )
    return statement if statement != Statement(by) else None


def _pair_at(words: Sequence[str], at: int, *, sure: bool) -> tuple[str, str] | None:
    """Return two words that are a market; in ``tmp KRW BTC`` only the last two are."""
    pair = pair_of(words[at], words[at + 1], sure=sure)
    if pair is not None and coin_called(pair[1]) is None and at + 2 < len(words):
        later = pair_of(words[at + 1], words[at + 2])
        return None if later is not None and coin_called(later[1]) is not None else pair
    return pair


def _is_unit(word: str) -> bool:
    return (
        re.fullmatch(r"min|분봉?|시간봉?", word, re.IGNORECASE) is not None or frame_word(word, alone=True) is not None
    )


def _parts(word: str) -> list[str]:
    """Split a word that mixes Korean and other letters: ``비트코인1분봉``, ``BTC일봉``."""
    match = re.fullmatch(r"([A-Za-z]{3,10})(\d{1,3}[A-Za-z]{1,7})", word, re.ASCII)
    if match and frame_word(match[2], alone=False) and (coin_called(match[1]) or joined_pair(match[1])):
        return [match[1], match[2]]
    if not re.search("[가-힣]", word) or frame_word(word, alone=True):
        return [word]
    pieces = re.findall(r"\d+[가-힣]+|[가-힣]+|[^가-힣]+", word)
    return [
        part for piece in pieces for part in re.split(r"(?<=[가-힣])(?=(?:일봉|주봉|월봉|분봉|시간봉)$)", piece) if part
    ]
