"""Charts of what is stored: an HTML page that needs no network, or a PNG for a report.

``read_chart`` reads, ``html`` and ``png`` draw; ``ladder`` and ``bars`` combine many candles into coarser bars. A chart
has at most ``MOST`` (a million) candles.

::

    async with SqliteStore("candles.db") as store:
        data = await charts.read_chart(store, "KRW-BTC", "1m")
    Path("btc.html").write_text(charts.html(data), encoding="utf-8")
"""

from rxcandles.charts.levels import Bars, Level, bars, ladder
from rxcandles.charts.page import html
from rxcandles.charts.picture import png
from rxcandles.charts.reading import MOST, ChartData, read_chart

__all__ = ["MOST", "Bars", "ChartData", "Level", "bars", "html", "ladder", "png", "read_chart"]
