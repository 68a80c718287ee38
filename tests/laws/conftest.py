"""How long the laws are tried: a little by default, more in CI, for hours with HYPOTHESIS_PROFILE=deep."""

import os

from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
for name, examples in {"small": 50, "ci": 200, "deep": 5000}.items():
    settings.register_profile(
        name, max_examples=examples, deadline=None, suppress_health_check=_SLOW, derandomize=name == "small",
        print_blob=True,
    )  # fmt: skip
SEEDED = {"small": 1000, "ci": 2500, "deep": 200_000}  # histories of a seeded sweep
PROFILE = os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "small")
settings.load_profile(PROFILE)


def pytest_generate_tests(metafunc):  # type: ignore[no-untyped-def]
    """`sweep`: the seeds of the profile, in ten parts."""
    if "sweep" in metafunc.fixturenames:
        size = SEEDED[PROFILE] // 10
        metafunc.parametrize("sweep", [range(part * size, (part + 1) * size) for part in range(10)], ids=str)
