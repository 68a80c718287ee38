"""Lists that people have → events: exports of mail providers, and CSV files, row by row.

    file ──► parts (a zip has several) ──► records (bounded lines) ──► rows (by the adapter of the format) ──► events

Pure but for reading the file: no clock, no network. 1. An adapter makes rows of four statuses and nothing else; it has
no word for a lift, a review, a void or a delivery, so no file can take a "no" back. 2. A row that restricts is sent
even when half of it cannot be read; one that permits is sent only with its whole proof (RULES §1.2, §5). 3. The same
file makes the same events with the same ids, so that importing it twice changes nothing.

The parts: `source` (files, zips), `records` (lines), `formats` (adapters), `dates`, `rows` (file → rows), `events`
(row → event), `survey` (what a file holds, before anything is sent), `restart`, `difference` (a dry run), `voiding`.
"""
