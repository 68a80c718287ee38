"""Found on a worker's PYTHONPATH `time.time` and `time.time_ns` read a clock that is wrong."""

import os
import time

_right = time.time_ns
_file = os.environ["WRONG_CLOCK"]


def _time_ns() -> int:
    with open(_file) as file:
        said = file.read()
    if said[0] in "+-":
        return _right() + int(said) * 1_000_000_000
    return int(said) * 1_000_000_000


time.time_ns = _time_ns
time.time = lambda: _time_ns() / 1e9
