"""What the two stages count, for on-call (Prometheus)."""

from prometheus_client import REGISTRY, Counter, Gauge

from consent_stream.topology.doubts import Doubts
from consent_stream.topology.speaking import Lags, Speaking

EVENTS = Counter("consent_events_total", "Records taken from consent.events.")
QUARANTINED = Counter("consent_quarantined_total", "Records sent to quarantine.", ["code", "stage"])
IGNORED = Counter("consent_ignored_total", "Events or parts that change nothing, by reason.", ["reason"])
FACTS = Counter("consent_facts_total", "Facts folded from the ledger.")
CHANGED = Counter("consent_keys_changed_total", "Rows of subject keys written.")
REGRESSIONS = Counter("consent_regressions_total", "Older records over newer ones that were repaired.", ["list"])
UNPROVEN = Counter("consent_heartbeats_unproven_total", "Heartbeats or reports that the broker did not take.")
READY = Gauge("consent_worker_ready", "1 while every owned partition is restored.")
SPEAKING, LAGS, DOUBTS = Speaking(), Lags(), Doubts()
REGISTRY.register(SPEAKING)
REGISTRY.register(LAGS)
REGISTRY.register(DOUBTS)
