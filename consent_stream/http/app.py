"""The application: routes, who may ask, one form for everything that is wrong, a log without addresses."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web

from consent_stream.http.problems import Problem, of_http
from consent_stream.http.service import Service

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Check = Callable[[web.Request], None]


def anyone(request: web.Request) -> None:
    """Every request may be answered."""


def build_app(service: Service, routes: Iterable[web.RouteDef], check: Check = anyone) -> web.Application:
    """These routes, each after `check`. Both may raise `Problem`; whatever else they raise is a 500."""
    access_log = logging.getLogger(f"consent_stream.{service.name}.requests")

    @web.middleware
    async def uniform(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        service.under_way += 1
        try:
            response = await _answered(request, handler)
        finally:
            service.under_way -= 1
        if service.ending:
            response.force_close()
        seconds, (method, resource) = time.perf_counter() - started, _asked(request)
        service.answered(resource, response.status, seconds)
        told = {"method": method, "resource": resource, "status": response.status, "seconds": round(seconds, 6)}
        access_log.info("%s %s %d %.1f ms", method, resource, response.status, seconds * 1000, extra=told)
        return response

    async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            check(request)
            return await handler(request)
        except Problem as problem:
            return problem.response()
        except web.HTTPException as error:
            return of_http(error).response()
        except Exception as error:
            _tell(error)
            return Problem("fault").response()

    app = web.Application(middlewares=[uniform], client_max_size=service.limits.body)
    app.add_routes(routes)
    return app


def _asked(request: web.Request) -> tuple[str, str]:
    """Method and resource, `-` for what is none. Never the path as it came: an address may stand in a wrong one."""
    resource = request.match_info.route.resource
    return ("-", "-") if resource is None else (request.method, resource.canonical)


def _tell(error: Exception) -> None:
    """Where it happened and of what kind; not its text, which may quote what was asked."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "?"
    log.error("a request failed: %s at %s", type(error).__name__, place)
