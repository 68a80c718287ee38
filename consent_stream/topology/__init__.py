"""The processor: intake and state agents of one Faust app, the lists they publish, the proof of their freshness.

`intake.py` and `fold.py` are the two stages as plain functions, which `simulate` runs without a broker;
`freshness.py` is the arithmetic of heartbeats; `app.py` and `pulse.py` put them on Kafka.
"""
