"""Generated people on a list, and every way to ask about them."""

from random import Random

from consent_stream.domain.facts import KINDS
from tests.gate.made import RING, entry, grant, restriction

SCOPES = ("*", "news", "news/weekly", "offers", "Not A Scope", "")
PURPOSES = ("marketing", "transactional", "legal_required", "profiling", "sharing", "nonsense")
TENANTS = ("acme", "umbrella", "nobody")
PEOPLE = 300


def address(n):
    return f"p{n}+tag@example.com" if n % 7 == 0 else f"p{n}@example.com"


def write_people(worker, seed=5):
    """One row each, some under the contact's key too."""
    random, rows = Random(seed), []
    for n in range(PEOPLE):
        parts = [
            grant(
                random.choice(SCOPES[:4]),
                ident=f"g{n}",
                level=random.randrange(1, 5),
                until=random.choice([1, 1 << 60]),
            )
            for _ in range(random.randrange(3))
        ]
        if random.random() < 0.4:
            parts.append(restriction(random.choice(sorted(KINDS)), random.choice(SCOPES[:4]), ident=f"r{n}"))
        rows.append((RING.subject("acme", "email", address(n)), entry(*parts, version=n)))
        if n % 5 == 0:
            rows.append((RING.subject("acme", "contact", f"c-{n}"), entry(restriction(ident=f"rc{n}"), version=n)))
    worker.write(*rows)


def questions(count, seed=6):
    """Fields of `Gate.check` by name."""
    random = Random(seed)
    for _ in range(count):
        n = random.randrange(PEOPLE + 20)
        asked = {"tenant": random.choice(TENANTS[:1] * 4 + TENANTS[1:])}
        way = random.random()
        if way < 0.7:
            asked["email"] = random.choice(
                [address(n), address(n).upper(), f" {address(n)} ", "no address", "zoë@例え.example.com"]
            )
        else:
            asked["key"] = random.choice([RING.subject("acme", "email", address(n)).hex(), "00" * 19, "xyz"])
        if random.random() < 0.4:
            asked["contact"] = random.choice([f"c-{n}", "", "c-unknown"])
        if random.random() < 0.8:
            asked["scope"] = random.choice(SCOPES)
        if random.random() < 0.5:
            asked["purpose"] = random.choice(PURPOSES)
        if random.random() < 0.3:
            asked["at"] = random.choice([0, 1, -5, 1_700_000_000_000_000, 253_402_300_799_000_000])
        yield asked
