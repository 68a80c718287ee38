"""Bytes ⇄ domain: schemas, codec, subject keys, topics, headers. Pure: no socket, no file, no clock."""
