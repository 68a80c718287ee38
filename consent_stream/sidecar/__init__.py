"""The gate for other languages: HTTP on loopback, one process a host, the same answers as `Gate.check`.

Nothing is decided here: a body becomes a `Question` (`questions`), a gate answers it (`gates`), the answer becomes
JSON (`answers`). What is wrong with a request is a problem (`problems`, RFC 9457). `routes` has the handlers, `app`
puts them together, `access` says who may ask, `limits` and `connections` bound what a client can take, `serving` runs
it. Needs the edge extra.
"""
