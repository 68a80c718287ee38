"""consent-stream: a streaming consent and preference processor."""

__version__ = "0.1.0"
