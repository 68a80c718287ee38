"""The intent API: forms and CRMs say what people said, and ask how they stand.

`keys` says who may, `reading` makes events of a request, `judging` tells what the intake would refuse, `standing` asks
the gates, `routes` has the handlers. It decides nothing: the worker judges again, by the same function.
"""

from consent_stream.edge.intent.routes import routes

__all__ = ["routes"]
