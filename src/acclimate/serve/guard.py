"""What stands between the page and everybody else: other machines, other sites in the same browser, scripts in data."""

import hmac
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "x-acclimate-token"  # noqa: S105 - the name of a header
BODY_LIMIT = 64 << 10  # bytes

_HEADERS = {
    # No inline script or style, no eval, nothing from elsewhere; texts cannot become markup even by a mistake of ours.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


class Guard:
    """Lets in what the page itself asks.

    A site that makes its name point to this machine (DNS rebinding) is told apart by the Host header; one that sends
    requests from another tab by what browsers say of it (Sec-Fetch-Site, Origin); and what writes needs a token that
    only the page has been given.

    Args:
        app: what is guarded.
        hosts: names and port by which this machine may be asked, as ``127.0.0.1:8642``.
        token: of what writes.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], token: str) -> None:
        self._app, self._hosts, self._token = app, frozenset(hosts), token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        if scope["type"] != "http":
            return
        refusal = self._refusal(scope)

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        app = self._app if refusal is None else PlainTextResponse(refusal[1], refusal[0])
        await app(scope, receive, sealed)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        if headers.get("host", "").lower() not in self._hosts:
            return 421, "this page answers to 127.0.0.1 and localhost alone"
        writes = scope["method"] not in ("GET", "HEAD")
        if (writes or scope["path"].startswith("/api/")) and headers.get("sec-fetch-site") not in (
            None,
            "same-origin",
            "none",
        ):
            return 403, "another site asks"
        if not writes:
            return None
        if headers.get("origin") not in (None, *(f"http://{host}" for host in self._hosts)):
            return 403, "another site asks"
        if not hmac.compare_digest(headers.get(TOKEN_HEADER, "").encode(), self._token.encode()):
            return 403, "the token is missing or of another start; reload the page"
        return None
