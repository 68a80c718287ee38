"""The engines of the race, one program each. All do the same job: see `merge.py`."""
