"""Why a development broker could not start.

DevError
└── ToolMissing     java or mvn is absent or too old
"""


class DevError(Exception):
    """A development broker cannot run; the text is one line for a person."""


class ToolMissing(DevError):
    """A program that the real Kafka needs is not installed."""
