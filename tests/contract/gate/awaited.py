"""An `AsyncGate` asked from a test that is not async, each call in a loop of its own: it meets the same contract."""

import asyncio
import inspect

from consent_stream.gate.aio import AsyncGate


class Awaited:
    def __init__(self, **about):
        self._gate = AsyncGate(**about)

    def __enter__(self):
        asyncio.run(self._gate.__aenter__())
        return self

    def __exit__(self, *error):
        asyncio.run(self._gate.__aexit__(*error))

    def __getattr__(self, name):
        def call(*args, **about):
            async def asked():
                found = getattr(self._gate, name)(*args, **about)
                return await found if inspect.isawaitable(found) else found

            return asyncio.run(asked())

        return call
