"""Headers of every answer: what a browser may do with it."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    (
        "default-src 'none'",
        # NiceGUI builds each page with inline scripts that differ, and runs the listeners of its elements by eval.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",  # Vue and Quasar set styles of elements
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",  # the web socket too
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "object-src 'none'",
    )
)
"""Nothing is fetched from, sent to or framed by another origin."""
ALWAYS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # the first address holds the token; without any, a browser hides Origin
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
ENCODED = {name.lower().encode(): value.encode() for name, value in ALWAYS.items()}
UNKEPT = {**ENCODED, b"cache-control": b"no-store"}
"""The same as they travel, and with the word that a browser keeps nothing."""
KEPT = ("/_nicegui/", "/static/")
"""What a browser may keep: files that are the same for everybody, without anything of the user."""


class SafeHeaders:
    """Adds ``ALWAYS`` to each answer, and lets a browser keep none but files of the program.

    Args:
        app: what answers; the attribute keeps its name, by which NiceGUI finds its server.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = message["status"] in (200, 304) and scope["path"].startswith(KEPT)
                said = ENCODED if kept else UNKEPT
                own = [pair for pair in message.get("headers", ()) if pair[0].lower() not in said]
                message["headers"] = [*own, *said.items()]
            await send(message)

        await self.app(scope, receive, add if scope["type"] == "http" else send)
