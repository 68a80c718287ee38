"""The demo: the whole story on the embedded broker, in separate processes, with every claim checked as it is made.

`cast.py` the people and what they send · `crowd.py` everybody else · `feed.py` events into Kafka, with the time of
their proof · `children.py` the processes · `mailer.py` one mailer · `mailers.py` both, as the story talks to them ·
`opening.py`, `choices.py`, `outage.py`, `audit.py` the acts · `lists.py` the topics as any Kafka consumer sees them ·
`screen.py` what is shown, for people and for scripts · `run.py` puts them together.
"""
