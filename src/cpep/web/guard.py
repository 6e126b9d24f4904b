"""Who may use the page: requests are checked before anything else sees them."""

from __future__ import annotations

import asyncio
import html
import ipaddress
import secrets
from functools import lru_cache
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cpep.web.messages import bounded

COOKIE = "cpep_token"
LOGIN = "/login"
LARGEST_LOGIN = 1000
LOGIN_S = 5.0
"""In this time the token is there that somebody sends by the login page."""
WRONG_S = 0.5
"""So long a wrong token waits for its answer. What keeps it from being guessed is its length, 128 bits."""
MOST_WRONG = 20
"""Wrong tokens that wait at a time; others are refused unread."""
MOST_BODIES = 4
"""Bodies of the largest size that may arrive at a time."""


@lru_cache(100)
def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address.

    >>> [is_loopback(host) for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "10.0.0.2", "lab.example")]
    [True, True, True, False, False, False]
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Passes on the requests that may be answered.

    Where there is a token, a request needs it in a cookie, which ``?token=`` and the login page set. Where there is
    none, the page is on loopback: only requests to an address of this machine are answered, since another site's name
    may point to it. In both cases requests that another site's page sends are refused, bodies are limited, and a web
    socket ends at the first message that no page of this server sends.

    Args:
        app: what is guarded; the attribute keeps its name, by which NiceGUI finds its server.
        token: what is asked for, or ``""``.
        largest: bytes of a request's body.
        secure: whether the page is served over TLS; the cookie then never travels without.
    """

    def __init__(self, app: ASGIApp, token: str, largest: int, secure: bool = False) -> None:
        self.app, self.token, self.largest, self.secure = app, token, largest, secure
        self._arriving = self._wrong = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or pass it on (ASGI)."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refusal = await self._refusal(scope, receive)
        if scope["type"] == "websocket":
            if refusal is None:
                await self.app(scope, bounded(receive), send)
            else:
                await send({"type": "websocket.close", "code": 1008})
        elif refusal is None:
            await self._pass_on(scope, receive, send)
        else:
            refusal.headers["Connection"] = "close"  # whoever may not use the page holds no connection
            await refusal(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the page answer, unless so much is arriving already that this request's body has no place."""
        size = int(Headers(scope=scope).get("content-length", "0"))
        if self._arriving + size > MOST_BODIES * self.largest:
            response = PlainTextResponse("other uploads are arriving; try again in some seconds", 503)
            response.headers["Connection"] = "close"
            await response(scope, receive, send)
            return
        self._arriving += size
        try:
            await self.app(scope, receive, send)
        except ClientDisconnect:  # the browser went, or was too slow
            pass
        finally:
            self._arriving -= size

    async def _refusal(self, scope: Scope, receive: Receive) -> Response | None:
        """Return the answer to a request that is not passed on, or ``None`` if it is."""
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        try:
            asked, page = urlsplit(f"//{host}").hostname or "", urlsplit(origin or "").netloc
        except ValueError:
            return PlainTextResponse("Host or Origin is no address", 403)
        if not self.token and not is_loopback(asked):
            return PlainTextResponse(f"{host} is not an address of this machine's own", 403)
        if (origin is not None and page != host) or _of_another_site(headers):
            return PlainTextResponse("a page of another site may not use this one", 403)
        if scope["type"] == "http" and (response := self._too_large(scope["method"], headers)):
            return response
        if not self.token:
            return None
        if scope["type"] == "websocket":
            return None if self._is(_cookie(headers)) else Response(status_code=401)
        request = Request(scope, receive)
        if self._is(_cookie(headers)) and scope["path"] != LOGIN and "token" not in request.query_params:
            return None
        return await self._login(request)

    def _too_large(self, method: str, headers: Headers) -> Response | None:
        length = headers.get("content-length", "0")
        if method in ("POST", "PUT", "PATCH") and "content-length" not in headers:
            return PlainTextResponse("say how long the body is", 411)
        if not length.isdecimal() or len(length) > 12 or int(length) > self.largest:
            return PlainTextResponse(f"more than {self.largest // 2**20} MB", 413)
        return None

    async def _login(self, request: Request) -> Response:
        """Set the cookie where the token is right, else show the page that asks for it."""
        given, path = request.query_params.get("token", ""), request.url.path
        if path == LOGIN and request.method == "POST":
            path, given = "/", await _token_of(request)
        if given and self._wrong >= MOST_WRONG:
            return PlainTextResponse("too many wrong tokens at a time; try again in a second", 429)
        if self._is(given):
            response = RedirectResponse("/" + path.lstrip("/"), 303)
            response.set_cookie(COOKIE, self.token, httponly=True, samesite="lax", secure=self.secure)
            return response
        if given:
            self._wrong += 1
            try:
                await asyncio.sleep(WRONG_S)
            finally:  # also where the server ends
                self._wrong -= 1
        wrong = "That is not the token." if given else ""
        return HTMLResponse(LOGIN_PAGE.replace("WRONG", html.escape(wrong)), 401)

    def _is(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self.token.encode())


def _of_another_site(headers: Headers) -> bool:
    """Tell whether a page of another site asks, as far as the browser says; a link that somebody follows may."""
    site, mode, into = (headers.get(f"sec-fetch-{name}", "") for name in ("site", "mode", "dest"))
    return site in ("cross-site", "same-site") and (mode, into) != ("navigate", "document")


async def _token_of(request: Request) -> str:
    """Return what was typed into the field of the login page."""
    if int(request.headers["content-length"]) > LARGEST_LOGIN:
        return ""
    try:
        async with asyncio.timeout(LOGIN_S):
            said = (await request.body()).decode("utf-8", "replace")
    except (TimeoutError, ClientDisconnect):
        return ""
    return parse_qs(said).get("token", [""])[0].strip()


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


LOGIN_PAGE = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>cpep: token</title>
<style>
:root {{ color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }}
body {{ max-width: 22rem; margin: 15vh auto; padding: 0 1rem }}
input, button {{ font: inherit; padding: .5rem; width: 100%; box-sizing: border-box; margin-top: .5rem }}
</style>
<h1>cpep</h1>
<form method="post" action="{LOGIN}">
<label for="token">Token, as <code>cpep serve</code> printed it when it started</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<p role="alert">WRONG</p>
<button>Open</button>
</form>
"""
