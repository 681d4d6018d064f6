"""Coins by their codes and names, in English and Korean: enough to make a name clear, never all."""

from __future__ import annotations

from typing import Final

__all__ = ["CODES", "COMMON", "NAMES", "NO_COINS"]

CODES: Final = frozenset({
    "1INCH", "AAVE", "ADA", "AERGO", "AKT", "ALGO", "ALICE", "ANKR", "APE", "APT", "AQT", "ARB", "ARDR", "ARK",
    "ASTR", "ATOM", "AUCTION", "AVAX", "AXL", "AXS", "BAL", "BAT", "BCH", "BEAM", "BIGTIME", "BLUR", "BNB", "BNT",
    "BONK", "BORA", "BSV", "BTC", "BTG", "BTT", "CAKE", "CELO", "CHZ", "CKB", "CRO", "CRV", "CTC", "CTSI", "CVC",
    "DAI", "DASH", "DENT", "DOGE", "DOT", "DYDX", "EGLD", "ELF", "ENJ", "ENS", "EOS", "ETC", "ETH", "ETHFI",
    "ETHW", "FIL", "FLOKI", "FTM", "FTT", "GALA", "GLM", "GLMR", "GMT", "GMX", "GNO", "GRT", "HBAR", "HIFI",
    "HIVE", "HUNT", "ICP", "ICX", "ILV", "IMX", "INJ", "IOST", "IOTA", "IOTX", "IQ", "JASMY", "JTO", "JUP",
    "KAITO", "KAS", "KAVA", "KNC", "KLAY", "KSM", "LDO", "LINK", "LPT", "LRC", "LSK", "LTC", "LUNA", "LUNC",
    "MANA", "MANTA", "MATIC", "MEME", "MINA", "MINU", "MKR", "MTL", "NEAR", "NEO", "NEXO", "NMR", "OCEAN", "OKB",
    "OMG", "ONDO", "ONG", "ONT", "OP", "ORBS", "ORDI", "PAXG", "PENDLE", "PENGU", "PEPE", "PIXEL", "POL", "POLYX",
    "POWR", "PUNDIX", "PYTH", "QNT", "QTUM", "RENDER", "RNDR", "ROSE", "RSR", "RUNE", "RVN", "SAND", "SC", "SEI",
    "SHIB", "SNT", "SNX", "SOL", "STEEM", "STMX", "STRK", "STX", "SUI", "SUSHI", "SXP", "TAO", "TFUEL", "THETA",
    "TIA", "TON", "TRUMP", "TRX", "TUSD", "TWT", "UMA", "UNI", "USDC", "USDT", "VANA", "VET", "VIRTUAL", "VTHO",
    "WAVES", "WAXP", "WBTC", "WIF", "WLD", "WOO", "XEC", "XEM", "XLM", "XMR", "XRP", "XTZ", "YFI", "ZEC", "ZETA",
    "ZIL", "ZKS", "ZRO", "ZRX",
})  # fmt: skip

NAMES: Final = {
    "bitcoin": "BTC", "ethereum": "ETH", "ripple": "XRP", "solana": "SOL", "dogecoin": "DOGE", "cardano": "ADA",
    "polkadot": "DOT", "litecoin": "LTC", "tron": "TRX", "avalanche": "AVAX", "chainlink": "LINK", "polygon": "POL",
    "bitcoincash": "BCH", "bitcoin cash": "BCH", "ethereumclassic": "ETC", "ethereum classic": "ETC", "stellar": "XLM",
    "monero": "XMR", "cosmos": "ATOM", "shiba inu": "SHIB", "binancecoin": "BNB", "tether": "USDT", "uniswap": "UNI",
    "aptos": "APT", "filecoin": "FIL", "hedera": "HBAR", "arbitrum": "ARB", "xbt": "BTC",
    "비트코인캐시": "BCH", "비트코인골드": "BTG", "비트코인에스브이": "BSV", "비트코인": "BTC", "이더리움클래식": "ETC",
    "이더리움": "ETH", "리플": "XRP", "엑스알피": "XRP", "솔라나": "SOL", "도지코인": "DOGE", "도지": "DOGE",
    "에이다": "ADA", "폴카닷": "DOT", "라이트코인": "LTC", "트론": "TRX", "아발란체": "AVAX", "체인링크": "LINK",
    "폴리곤": "POL", "이오스": "EOS", "스텔라루멘": "XLM", "네오": "NEO", "퀀텀": "QTUM", "코스모스": "ATOM",
    "시바이누": "SHIB", "스팀": "STEEM", "샌드박스": "SAND", "앱토스": "APT", "수이": "SUI", "페페": "PEPE",
    "테더": "USDT", "비체인": "VET", "알고랜드": "ALGO", "헤데라": "HBAR", "니어프로토콜": "NEAR", "웨이브": "WAVES",
    "스택스": "STX",
}  # fmt: skip

COMMON: Final = frozenset({
    "BTC", "ETH", "XRP", "SOL", "DOGE", "ADA", "BCH", "LTC", "TRX", "EOS", "ETC", "XLM", "BNB", "SHIB", "AVAX", "MATIC",
    "XMR", "USDT", "USDC", "PEPE", "DOT", "ATOM", "APT", "SUI", "BTT", "QTUM", "NEO", "BSV", "BTG", "HBAR", "ALGO",
})  # fmt: skip
"""Codes that are not words, so that they are recognised in lower case, too."""

NO_COINS: Final = frozenset({
    "ALL", "CANDLE", "CANDLES", "DATA", "OHLC", "OHLCV", "PRICE", "PRICES", "EXPORT", "BACKUP", "HISTORY",
    "HISTORICAL", "MARKET", "MARKETS", "TEST", "SPOT", "KLINE", "KLINES", "RAW", "FULL", "NEW", "OLD", "COPY",
    "FINAL", "SAMPLE", "PART", "FILE", "CSV", "TABLE", "TRADES", "TICKS", "VOLUME", "VALUE", "COIN", "COINS",
    "CRYPTO", "MY", "THE", "AND", "FROM", "TO", "IN", "PER", "DAILY", "HOURLY", "WEEKLY", "MONTHLY", "MINUTE",
    "MINUTES", "HOUR", "DAY", "WEEK", "MONTH", "YEAR", "UTC", "GMT", "KST", "PERP", "SWAP", "FUTURES",
    "MIN", "MERGED",
})  # fmt: skip
"""Words beside a currency that are not coins: ``krw_candles``."""
