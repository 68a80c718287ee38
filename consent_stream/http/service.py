"""A server as `app` and `serving` see it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from consent_stream.http.limits import Limits


class Service(ABC):
    """closing: it ends soon, and says so to who asks whether it is ready. ending: no new connection comes, and each
    that is open ends with its answer. under_way: requests being answered. name: of its log of requests.
    """

    name: ClassVar[str]
    limits: Limits
    closing = False
    ending = False
    under_way = 0

    @abstractmethod
    def ready(self) -> bool:
        """Whether it can do what it is for."""

    @abstractmethod
    def answered(self, resource: str, status: int, seconds: float) -> None:
        """Count a request. resource: the path of a route, `-` for none."""
