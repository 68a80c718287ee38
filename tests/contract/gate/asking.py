"""A mailer's process that reads a store: asks about `people` without end, says how often, and ends on a wrong answer.

An answer is wrong when it is a yes to a row of an odd version: those are withdrawn. It may always deny `stale` or
`not_ready`. Prints one line `asked N allowed M` a tenth of a second.
"""

import sys
import time

from consent_stream import Gate
from tests.gate.made import RING


def main(store, prefix, people):
    gate = Gate(store=store, follow=False, keys=RING, topic_prefix=prefix)
    asked = allowed = 0
    told = time.monotonic()
    while True:
        for n in range(int(people)):
            verdict = gate.check(tenant="acme", email=f"p{n}@example.com", scope="news")
            asked += 1
            allowed += verdict.allow
            if verdict.allow and (verdict.version % 2 or verdict.facts != (f"g{n}",)):
                sys.exit(f"a yes to version {verdict.version}")
            if not verdict and not {"stale", "not_ready"} & set(verdict.reasons):
                if verdict.reasons not in (("unsubscribed",), ("no_consent",)):
                    sys.exit(f"a no for {verdict.reasons}")
        if time.monotonic() > told + 0.1:
            told = time.monotonic()
            print("asked", asked, "allowed", allowed, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
