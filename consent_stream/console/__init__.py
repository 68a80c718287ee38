"""The console: what on-call sees in a browser. It reads topics and writes nothing.

`follower` reads on a thread of its own into a `model` (pure parts: `flow`, `gatesheet`, `optouts`, `quarantined`),
pages are made of the model alone (`views`, `plots`, `render`, `routes`). `access` and `session` say who may look,
`search` looks one person up in the log. Needs the edge extra.
"""
