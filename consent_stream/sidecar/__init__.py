"""The gate for other languages: HTTP on loopback, one process a host, the same answers as `Gate.check`.

Nothing is decided here: a body becomes a `Question` (`questions`), a gate answers it (`gates`), the answer becomes
JSON (`answers`). `routes` has the handlers, `access` says who may ask, `limits` bounds what a client can take; the
server around them is `http`. Needs the edge extra.
"""
