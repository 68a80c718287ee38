"""Signals of browsers and consent tools: Global Privacy Control and GPP strings. They end sharing, and nothing else.

`gpp` reads strings by the tables of `layouts`, `routes` has the handlers and heeds `Sec-GPC` wherever a link is opened.
What a signal means, the domain decides.
"""

from consent_stream.edge.signals.routes import heeding, routes

__all__ = ["heeding", "routes"]
