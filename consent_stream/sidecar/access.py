"""Who may ask: a bearer token when there is one, and on loopback nobody who came by a name that is not localhost."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from ipaddress import ip_address

from aiohttp import web

from consent_stream.http.problems import Problem

PROBES = frozenset(("/livez", "/readyz"))  # an orchestrator has no token


@dataclass(frozen=True)
class Access:
    """token: what `Authorization: Bearer` must say, if anything. own_machine: bound to loopback alone."""

    token: bytes | None = field(default=None, repr=False)
    own_machine: bool = True

    def check(self, request: web.Request) -> None:
        """Errors: Problem `wrong-host`, `no-token`."""
        if self.token is not None:
            if request.path not in PROBES and not self._has_token(request):
                raise Problem("no-token", headers={"WWW-Authenticate": "Bearer"})
        elif self.own_machine and not _of_this_machine(request.headers.get("Host", "")):
            # A web page may resolve its own name to 127.0.0.1 and then read what is answered (DNS rebinding).
            raise Problem("wrong-host")

    def _has_token(self, request: web.Request) -> bool:
        assert self.token is not None
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        # surrogateescape: a header may have any bytes, and all of them are compared, in constant time.
        said = given.strip().encode("utf-8", "surrogateescape")
        return hmac.compare_digest(said, self.token) and scheme.lower() == "bearer"


def _of_this_machine(host: str) -> bool:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name.lower().rstrip(".") == "localhost":
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
