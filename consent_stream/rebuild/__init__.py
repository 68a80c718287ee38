"""A new generation of everything that follows from the events: filled beside the live one, compared, made the one that
gates obey.

`seed`: the ledger of the new generation, from the live one. `compare`: what differs. `activate`: the switch. In between
`consent-stream worker --generation N` does the work, by the same code as ever.
"""
