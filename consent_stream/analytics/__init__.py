"""For analysts: topics as Parquet files, row for row, and counts of a month that single nobody out.

Parts: `tables` (what a record is as a row), `archive` (the directory: whole files, and where to go on), `topictail`
(a topic from given offsets), `export` (the three together), `months` and `disclosure` (counts, and what of them may be
told). Subject keys stand for people here as everywhere; there is no address.
"""
