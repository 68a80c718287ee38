"""Optional: the pure rooms (rules, codec, fold) compiled to C by mypyc, from the same files, when CONSENT_COMPILE=1.

    CONSENT_COMPILE=1 pip wheel --no-deps --no-build-isolation .     # needs a C compiler and mypy

Nothing else changes: the same tests pass on both. An editable install is never compiled, so that editing works.
"""

import os

from setuptools import setup

COMPILED = (
    "consent_stream/domain",
    "consent_stream/wire/avro.py",
    "consent_stream/wire/change.py",
    "consent_stream/wire/ledger.py",
    "consent_stream/wire/parts.py",
    "consent_stream/wire/state.py",
    "consent_stream/wire/suppression.py",
    "consent_stream/topology/fold.py",
    "consent_stream/topology/intake.py",
)

if os.environ.get("CONSENT_COMPILE") == "1":
    from mypyc.build import mypycify

    setup(ext_modules=mypycify(["--follow-imports=silent", *COMPILED]))
else:
    setup()
