"""Following markets: history and the newest candle, joined without a seam.

The socket says when, a page says what, the coverage says since when. A :class:`~rxcandles.live.follower.Follower` is a
loop of small collections of the pipeline that all modes share: each proves that nothing is missing up to some time, and
candles are handed out only behind that. A stream wakes the loop, shows the forming candle, and proves nothing, so the
worst that a broken stream can do is delay.

The parts: ``follower`` decides which market is asked about next, ``questions`` asks and draws conclusions, ``frontier``
reads from the store how far a market is proven, ``market`` keeps what is known of one. ``shards`` keeps the connections
of a stream alive, ``frames`` holds what they have shown, ``listening`` says what that means, and ``witnessed`` holds
pages against it. ``observer`` is one reader with a place in each market, ``feed`` what ``provider.follow`` returns,
``reading`` follows what another process collects. ``clock`` is the server's time, from its answers.
"""
