"""Words by which markets, exchanges and timeframes are known wherever they stand: in names, lines and cells."""

from __future__ import annotations

import re
from typing import Final

from rxcandles.importing.markets import frame_called
from rxcandles.timeframe import Timeframe

__all__ = ["QUOTES", "coin_called", "exchange_called", "frame_word", "joined_pair", "pair_of"]

QUOTES: Final = ("KRW", "USDT", "USDC", "BUSD", "FDUSD", "TUSD", "USD", "EUR", "JPY", "GBP", "BTC", "ETH")
"""Currencies in which others are priced, the surest first: of ``KRW-BTC`` it is KRW."""
_PRICED: Final = frozenset({"BTC", "ETH"})
"""Those of them that are coins, too, so only beside a coin that is known."""

_EXCHANGES: Final = {
    **{name: name for name in (
        "upbit", "bithumb", "coinone", "korbit", "gopax", "binance", "bybit", "okx", "kraken", "coinbase", "bitstamp",
        "kucoin", "gateio", "huobi", "htx", "bitfinex", "bitget", "mexc", "bitmex", "deribit", "ftx", "poloniex",
        "bittrex", "bitflyer", "hyperliquid", "bitvavo", "lbank", "bingx", "phemex", "coincheck", "liquid",
    )},
    "okex": "okx", "binanceus": "binance", "binanceusdm": "binance", "coinbasepro": "coinbase", "gdax": "coinbase",
    "gate": "gateio", "업비트": "upbit", "빗썸": "bithumb", "코인원": "coinone", "코빗": "korbit", "고팍스": "gopax",
    "바이낸스": "binance", "바이비트": "bybit", "코인베이스": "coinbase", "크라켄": "kraken",
}  # fmt: skip

_CODES: Final = frozenset("""
1INCH AAVE ADA AERGO AKT ALGO ALICE ANKR APE APT AQT ARB ARDR ARK ASTR ATOM AUCTION AVAX AXL AXS BAL BAT BCH BEAM BIGTIME
BLUR BNB BNT BONK BORA BSV BTC BTG BTT CAKE CELO CHZ CKB CRO CRV CTC CTSI CVC DAI DASH DENT DOGE DOT DYDX EGLD ELF ENJ
ENS EOS ETC ETH ETHFI ETHW FIL FLOKI FTM FTT GALA GLM GLMR GMT GMX GNO GRT HBAR HIFI HIVE HUNT ICP ICX ILV IMX INJ IOST
IOTA IOTX IQ JASMY JST JTO JUP KAITO KAS KAVA KNC KLAY KSM LDO LINK LPT LRC LSK LTC LUNA LUNC MANA MANTA MATIC MEME
MINA MINU MKR MTL NEAR NEO NEXO NMR OCEAN OKB OMG ONDO ONG ONT OP ORBS ORDI PAXG PENDLE PENGU PEPE PIXEL POL POLYX POWR
PUNDIX PYTH QNT QTUM RENDER RNDR ROSE RSR RUNE RVN SAND SC SEI SHIB SNT SNX SOL STEEM STMX STRK STX SUI SUSHI SXP TAO
TFUEL THETA TIA TON TRUMP TRX TUSD TWT UMA UNI USDC USDT VANA VET VIRTUAL VTHO WAVES WAXP WBTC WIF WLD WOO XEC XEM XLM
XMR XRP XTZ YFI ZEC ZETA ZIL ZKS ZRO ZRX
""".split())
_NAMES: Final = {
    "bitcoin": "BTC", "ethereum": "ETH", "ripple": "XRP", "solana": "SOL", "dogecoin": "DOGE", "cardano": "ADA",
    "polkadot": "DOT", "litecoin": "LTC", "tron": "TRX", "avalanche": "AVAX", "chainlink": "LINK", "polygon": "POL",
    "bitcoincash": "BCH", "bitcoin cash": "BCH", "ethereumclassic": "ETC", "ethereum classic": "ETC", "stellar": "XLM",
    "monero": "XMR", "cosmos": "ATOM", "shiba inu": "SHIB", "binancecoin": "BNB", "tether": "USDT", "uniswap": "UNI",
    "aptos": "APT", "filecoin": "FIL", "hedera": "HBAR", "arbitrum": "ARB", "xbt": "BTC",
    "비트코인캐시": "BCH", "비트코인골드": "BTG", "비트코인에스브이": "BSV", "비트코인": "BTC", "이더리움클래식": "ETC",
    "이더리움": "ETH", "리플": "XRP", "엑스알피": "XRP", "솔라나": "SOL", "도지코인": "DOGE", "도지": "DOGE",
    "에이다": "ADA", "폴카닷": "DOT", "라이트코인": "LTC", "트론": "TRX", "아발란체": "AVAX", "체인링크": "LINK",
    "폴리곤": "POL", "이오스": "EOS", "스텔라루멘": "XLM", "네오": "NEO", "퀀텀": "QTUM", "코스모스": "ATOM",
    "시바이누": "SHIB", "스팀": "STEEM", "샌드박스": "SAND", "앱토스": "APT", "수이": "SUI", "페페": "PEPE", "테더": "USDT",
    "비체인": "VET", "알고랜드": "ALGO", "헤데라": "HBAR", "니어프로토콜": "NEAR", "웨이브": "WAVES", "스택스": "STX",
}  # fmt: skip
_COMMON: Final = frozenset({
    "BTC", "ETH", "XRP", "SOL", "DOGE", "ADA", "BCH", "LTC", "TRX", "EOS", "ETC", "XLM", "BNB", "SHIB", "AVAX", "MATIC",
    "XMR", "USDT", "USDC", "PEPE", "DOT", "ATOM", "APT", "SUI", "BTT", "QTUM", "NEO", "BSV", "BTG", "HBAR", "ALGO",
})  # fmt: skip
"""Codes that are no words, so that they are known in small letters, too."""
_NO_COINS: Final = frozenset("""
ALL CANDLE CANDLES DATA OHLC OHLCV PRICE PRICES EXPORT BACKUP HISTORY HISTORICAL MARKET MARKETS TEST SPOT KLINE KLINES
RAW FULL NEW OLD COPY FINAL SAMPLE PART FILE CSV TABLE TRADES TICKS VOLUME VALUE COIN COINS CRYPTO MY THE AND FROM TO IN
PER DAILY HOURLY WEEKLY MONTHLY MINUTE MINUTES HOUR DAY WEEK MONTH YEAR UTC GMT KST JST PERP SWAP FUTURES MIN MERGED
""".split())

_MINUTES: Final = {"분": "m", "분봉": "m", "시간": "h", "시간봉": "h", "일": "d", "일봉": "d", "주": "w", "주봉": "w", "초": "s"}
_KOREAN: Final = {"일봉": "1d", "주봉": "1w", "월봉": "1M", "년봉": "1y", "연봉": "1y", "시간봉": "60m", "분봉": "1m"}
_ALONE: Final = {
    "minute": "1m", "minutes": "1m", "minutely": "1m", "hour": "60m", "hourly": "60m", "day": "1d", "days": "1d",
    "daily": "1d", "week": "1w", "weekly": "1w", "month": "1M", "monthly": "1M", "year": "1y", "yearly": "1y",
}  # fmt: skip
_LENGTH: Final = re.compile(
    r"(\d{1,4})(s|sec|secs|seconds?|m|mins?|minutes?|t|h|hrs?|hours?|d|days?|w|wks?|weeks?|M|mo|mon|months?|y|years?)",
    re.ASCII | re.IGNORECASE,
)
_TURNED: Final = re.compile(r"(s|sec|second|m|min|minute|h|hr|hour|d|day|w|week)s?(\d{1,4})", re.ASCII | re.IGNORECASE)


def frame_word(text: str, *, alone: bool) -> tuple[str, Timeframe | None] | None:
    """Return what a word says of a timeframe, and which of ours that is; None for a word that says none.

    ``alone`` takes a word without a number, such as ``daily``, too.
    """
    if text in _KOREAN:
        return text, frame_called(_KOREAN[text])
    if alone and text.casefold() in _ALONE:
        return text, frame_called(_ALONE[text.casefold()])
    if found := re.fullmatch(r"(\d{1,4})\s?(분봉?|시간봉?|일봉?|주봉?|초봉?)", text, re.ASCII):
        unit = "s" if found[2].startswith("초") else _MINUTES[found[2]]
    elif found := re.fullmatch(r"(\d{1,2})(개월|월봉)", text, re.ASCII):
        unit = "M"
    elif found := _LENGTH.fullmatch(text):
        unit = "M" if found[2] == "M" or found[2].casefold().startswith("mo") else found[2][0].casefold()
        unit = "m" if unit == "t" else unit
    elif found := _TURNED.fullmatch(text):
        found = re.fullmatch(r"(\d+)([a-z]).*", f"{found[2]}{found[1]}".casefold())
        assert found is not None
        unit = found[2]
    else:
        return None
    frame = frame_called(f"{int(found[1])}{unit}")
    if frame is None and (unit in "dwMy" or int(found[1]) == 0):
        return None  # the last 30 days
    if frame is None and unit == "h" and int(found[1]) > 12:
        return None  # the last 24 hours
    return text, frame


def exchange_called(text: str) -> str | None:
    """Return the exchange that a word names, in any case, or None."""
    return _EXCHANGES.get(re.sub(r"[\s_.\-]", "", text).casefold())


def coin_called(text: str, *, any_case: bool = False) -> str | None:
    """Return the code of the coin that a word names, by its code or its name, or None."""
    if found := _NAMES.get(text.casefold()):
        return found
    upper = text.upper()
    known = _CODES if any_case or text == upper else _COMMON
    return upper if upper in known else None


def pair_of(first: str, second: str, *, sure: bool = False) -> tuple[str, str] | None:
    """Return quote and coin where two words are a market (``KRW ETH``, ``eth krw``), or None.

    Of a coin that is not known, both have to be in capitals, unless ``sure``.
    """
    for quote in QUOTES:
        for one, other in ((first, second), (second, first)):
            if one.upper() == quote and (coin := _coin(other, strict=quote in _PRICED, any_case=sure or one.isupper())):
                if coin != quote:
                    return quote, coin
    return None


def joined_pair(word: str) -> tuple[str, str] | None:
    """Return quote and coin where one word is a market (``ETHKRW``, ``btcusdt``), or None."""
    upper = word.upper()
    if not re.fullmatch(r"[A-Z0-9]{5,16}", upper, re.ASCII):
        return None
    for quote in QUOTES:
        rest = upper.removesuffix(quote)
        if rest == upper and quote == "KRW":
            rest = upper.removeprefix(quote)
        if rest != upper and len(rest) >= 2:
            strict = quote in _PRICED or word != upper
            if coin := _coin(rest if word == upper else rest.lower(), strict=strict, any_case=True):
                return quote, coin
    return None


def _coin(text: str, *, strict: bool, any_case: bool) -> str | None:
    known = coin_called(text, any_case=True)
    if known is not None or strict:
        return known
    upper = text.upper()
    if not re.fullmatch(r"(?=[A-Z0-9]*[A-Z])[A-Z0-9]{1,10}", upper, re.ASCII) or upper in _NO_COINS:
        return None
    if exchange_called(text) or frame_word(text, alone=True):
        return None
    return upper if any_case or text == upper else None
