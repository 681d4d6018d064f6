"""Following markets: history and the newest candle, joined without a seam.

The socket says when, a page says what, the coverage says since when. A :class:`~rxcandles.live.follower.Follower` is a
loop of small collections of the pipeline that all modes share: each proves that nothing is missing up to some time, and
candles are handed out only behind that. A stream wakes the loop, shows the forming candle, and proves nothing, so the
worst that a broken stream can do is delay.

* ``follower``: which market is asked about next, and what its answers mean
* ``clock``: the server's time, from its answers
* ``market``: what is known of one market
* ``frames``: what a stream says of its latest candles
* ``witnessed``: the exchange, held against its own stream: a page that lacks what was streamed proves less
* ``frontier``: how far the store proves that nothing is missing
* ``shards``: the connections of a stream, kept alive
* ``observer``: one reader: its place in each market
* ``feed``: what ``provider.follow`` returns
"""
