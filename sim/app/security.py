"""Who may ask the page's server what: this machine's own browser, on its own page, and nobody else.

A page elsewhere can't ask it under another name (the Host header is checked: DNS rebinding), can't send it
anything (Origin, and a token that only the page knows) and can't read or frame what it answers.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = "127.0.0.1"
LONGEST_QUERY = 4096
_METHODS = ("GET", "HEAD", "POST")

POLICY = "; ".join(
    ["default-src 'none'"]
    + [f"{what}-src 'self'" for what in ("script", "style", "connect")]
    + ["img-src 'self' data:", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"]
)
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""Of a finished report, which narrows it to the hash of its one style sheet; no script runs on it."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""Of every answer; one that has its own policy keeps that."""


class Guard:
    """Turn away what is not asked by the page itself, and put the headers on every answer.

    Parameters
    ----------
    app
        What answers.
    port
        On which the page is served.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = (f"{HOST}:{port}", f"localhost:{port}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await (self._refusal(scope) or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: MutableMapping[str, Any]) -> PlainTextResponse | None:
        """Return what is answered to a request that is not the page's own; None to one that is."""
        headers = Headers(scope=scope)
        if headers.getlist("host") not in [[host] for host in self._hosts]:
            return PlainTextResponse(f"This server answers at http://{self._hosts[0]} only.", 421)
        method = scope["method"]
        if method not in _METHODS:
            return PlainTextResponse("Only GET and POST are answered.", 405, {"Allow": ", ".join(_METHODS)})
        own = [f"http://{host}" for host in self._hosts]
        foreign = [origin for origin in headers.getlist("origin") if origin not in own]
        unsaid = method == "POST" and "origin" not in headers
        site, mode = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode", "navigate")
        if foreign or unsaid or (site not in ("none", "same-origin") and mode != "navigate"):
            return PlainTextResponse("Only the page itself may ask this.", 403)
        if len(scope["query_string"]) > LONGEST_QUERY:
            return PlainTextResponse(f"The address is too long: up to {LONGEST_QUERY:,} letters.", 414)
        return None
