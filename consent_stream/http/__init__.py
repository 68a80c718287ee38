"""What every HTTP server of ours has: bounds on what a client takes, one form for what is wrong, an orderly end.

`limits` and `connections` bound clients, `bodies` reads within the bounds, `problems` is RFC 9457, `app` wraps the
routes, `serving` binds and runs, `probes` are for orchestrators, `tokenfile` reads secrets. It
decides nothing. Needs the edge extra.
"""
