"""consent-stream: a streaming consent and preference processor."""
