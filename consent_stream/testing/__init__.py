"""For the tests of mailers: a gate without Kafka and without keys, whose answers are those of a real one.

    def test_somebody_who_said_no_gets_nothing(fake_gate, mailer):
        fake_gate.withdraw(tenant="acme", email="ana@example.com", scope="news")
        mailer.run(fake_gate)
        assert mailer.sent == []

`fake_gate` is a fixture that pytest finds by itself (`plugin`). The parts: `line` runs events through the functions of
the worker, `fake` is the gate, `people` makes the events of its short forms. Looked up when asked for (PEP 562), so
that pytest starts no slower for it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from consent_stream.testing.fake import FakeGate, Refused

__all__ = ["FakeGate", "Refused"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from consent_stream.testing import fake

        return getattr(fake, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
