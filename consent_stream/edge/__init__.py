"""The edge: where people say no, and yes. One HTTP service, stateless but for its spool.

`tokens` reads and makes the signed links, `door` takes events (into Kafka, else into the `spool`), `edge` is what the
rooms share, `app` puts them together. Each room is a module with `routes(edge)`. It decides nothing about consent.
`tokens` needs a core install alone, so that mailers can make links; the rest needs the edge extra.
"""
