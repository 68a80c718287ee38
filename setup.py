"""Optional: the pure rooms (rules, codec, fold) compiled to C by mypyc, from the same files, when CONSENT_COMPILE=1.

    CONSENT_COMPILE=1 pip install '.[worker]'     # needs a C compiler

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


def modules() -> dict[str, object]:
    if os.environ.get("CONSENT_COMPILE") != "1":
        return {}
    try:
        from mypyc.build import mypycify
    except ImportError:  # pip asks for requirements first, installs them, and comes back
        return {"setup_requires": ["mypy>=1.11"]}
    return {"ext_modules": mypycify(["--follow-imports=silent", "--ignore-missing-imports", *COMPILED])}


setup(**modules())
