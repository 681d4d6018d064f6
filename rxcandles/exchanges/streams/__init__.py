"""Streams of candles over WebSockets: one machine for all exchanges, and a dialect for each.

A dialect (:mod:`~rxcandles.exchanges.streams.dialect`) says how an exchange is asked and how its messages are read.
:class:`~rxcandles.exchanges.streams.machine.SocketStream` does the rest, over a connection that
:class:`~rxcandles.exchanges.streams.opening.Door` opens.
"""
