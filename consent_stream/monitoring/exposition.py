"""A port for Prometheus and supervisors beside the work of a process: `/metrics`, `/livez`, `/readyz`.

A thread of its own answers, so that a process which is stuck can still say so.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

PROBES = ("/livez", "/readyz")
Probe = Callable[[str], tuple[str, str]]  # path → status line, and why in a few words


def place_of(text: str) -> tuple[str, int]:
    """Host and port of `[HOST:]PORT`; on loopback without a host. Errors: ValueError, which says what is expected."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} is not [HOST:]PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


def serve(host: str, port: int, registry: CollectorRegistry, probe: Probe) -> int:
    """Serve for as long as the process lives. Returns: the port; with 0 a free one. Errors: OSError."""
    from prometheus_client import make_wsgi_app  # the metrics extra

    metrics = make_wsgi_app(registry)

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] not in PROBES:
            found: Iterable[bytes] = metrics(environ, start)
            return found
        status, text = probe(environ["PATH_INFO"])
        start(status, [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")])
        return [text.encode() + b"\n"]

    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    server = make_server(host, port, application, _server(family), _Quiet)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return int(server.server_port)


def _server(family: int) -> type[WSGIServer]:
    class Server(ThreadingMixIn, WSGIServer):
        address_family = family
        daemon_threads = True  # a client that stays must not hold a process back that ends

    return Server


class _Quiet(WSGIRequestHandler):
    timeout = 10  # seconds that a client may take to ask

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a line for each probe would bury the log."""
