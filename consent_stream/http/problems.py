"""What is wrong with a request, as `application/problem+json` (RFC 9457). Never shows a value that was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

URN = "urn:consent-stream:problem:"
NO_STORE = {"Cache-Control": "no-store"}

# code: (status, title). Codes are forever; clients may rely on them.
PROBLEMS: Mapping[str, tuple[int, str]] = {
    "not-http": (400, "This is no HTTP request that is understood here."),
    "not-json": (400, "The body is not JSON."),
    "no-token": (401, "A token is needed."),
    "not-found": (404, "There is no such resource."),
    "wrong-method": (405, "The resource does not have this method."),
    "too-slow": (408, "The body did not arrive in time."),
    "too-large": (413, "The body, or the batch, is too large."),
    "too-many": (429, "Too many requests are being answered."),
    "no-kafka": (503, "Kafka does not tell, so nobody can say."),
    # of the sidecar
    "bad-question": (400, "The question is malformed."),
    "bad-receipt": (400, "The receipt, or a parameter beside it, is malformed."),
    "not-json-typed": (415, "The body must be application/json, without Content-Encoding."),
    "wrong-host": (421, "This sidecar serves its own machine alone, under an address or as localhost."),
    "fault": (500, "The server failed; this is no permission."),
    "not-ready": (503, "At least one gate gives no answers now."),
    # of the edge
    "bad-event": (400, "An event would not be taken."),
    "bad-signal": (400, "The signal, or a part of it, cannot be read."),
    "bad-report": (400, "The report cannot be read."),
    "bad-signature": (401, "The signature, or the secret, is missing or wrong, or of another time."),
    "wrong-type": (415, "That media type is not understood here."),
    "unavailable": (503, "Nothing can be taken now, and nothing was: try again."),
}
BY_STATUS = {status: code for code, (status, _) in PROBLEMS.items() if status in (404, 405, 413)}


class Problem(Exception):
    """A request that is not answered.

    code: of the table. detail: one sentence. field: of the question, when one is to blame; it stands in the answer
    and, as it may hold anything, not in the text of the error. more: further members of the answer.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(code)
        self.code, self.detail, self.field = code, detail, field
        self.status, self.title = PROBLEMS[code]
        self.headers, self.more = dict(headers or {}), more

    def members(self) -> dict[str, Any]:
        """The answer as a JSON object."""
        found: dict[str, Any] = {"type": URN + self.code, "title": self.title, "status": self.status}
        if self.detail:
            found["detail"] = self.detail
        if self.field is not None:
            found["field"] = self.field
        return found | self.more

    def response(self) -> web.Response:
        """The answer. The connection is closed where a rest of the body may still be under way."""
        response = web.Response(
            body=orjson.dumps(self.members()),
            status=self.status,
            content_type="application/problem+json",
            headers={**NO_STORE, **self.headers},
        )
        if self.code in ("too-slow", "too-large"):
            response.force_close()
        return response


def of_http(error: web.HTTPException) -> Problem:
    """What aiohttp raised itself: no such path, no such method, a body beyond the limit, an Expect it does not know."""
    allow = error.headers.get("Allow")
    return Problem(BY_STATUS.get(error.status, "not-http"), headers={"Allow": allow} if allow else None)
