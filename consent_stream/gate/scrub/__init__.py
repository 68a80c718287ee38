"""A list cleaned before it is mailed: rows that may be sent to, rows that may not and why, and a report that proves it.

1. Every row is read once and asked about by `Gate.sift`; rules are those of the gate. What cannot be read is not kept.
2. Memory is fixed: rows go through in parts, whatever the size of the file.
3. Outputs appear whole and together, or not at all. A list that was cleaned by stale data is no list.

The parts: `csvrows` (text → rows, pure), `csvlist` and `parquetlist` (files of each kind), `outputs` (files that appear
whole), `tally` (what the report counts), `running` (the loop).
"""
