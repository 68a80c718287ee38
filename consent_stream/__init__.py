"""consent-stream: a streaming consent and preference processor.

`from consent_stream import Gate` is all that a mailer needs. It is looked up when it is asked for (PEP 562), so that
importing the package is cheap and needs no Kafka client.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from consent_stream.gate import Gate, Verdict
    from consent_stream.gate.aio import AsyncGate

__all__ = ["AsyncGate", "Gate", "Verdict", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in ("Gate", "Verdict"):
        from consent_stream import gate

        return getattr(gate, name)
    if name == "AsyncGate":
        from consent_stream.gate.aio import AsyncGate

        return AsyncGate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
