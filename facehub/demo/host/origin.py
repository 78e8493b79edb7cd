"""Where a request comes from: its client, its owner, and the site that sent it."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from facehub.demo.host.sessions import UNKNOWN, Owner

COOKIE = "facehub-session"
_COOKIE_VALUE = re.compile(r"[\w-]{43}")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def client_of(scope: Scope) -> str:
    """The address of the client; of IPv6 its /64 network, all of which one client may use.

    Behind a proxy, uvicorn takes the address from `X-Forwarded-For` if `FORWARDED_ALLOW_IPS` names
    the proxy.
    """
    host: str = (scope.get("client") or (UNKNOWN, 0))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    return str(ipaddress.ip_network((address, 64), strict=False))


def owner_of(scope: Scope) -> Owner:
    """The owner of the sessions that a request begins: by login and cookie, else by address."""
    client, cookies = client_of(scope), _cookies(scope)
    value = cookies.get(COOKIE, "")
    browser = f"cookie {value}" if _COOKIE_VALUE.fullmatch(value) else f"address {client}"
    return Owner(client, f"{_user(scope['app'], cookies)!r} {browser}")


def new_cookie(scope: Scope) -> str | None:
    """A `Set-Cookie` for a browser that has none yet.

    Under HTTPS the cookie also works in a frame of another site: a Space is shown in one.
    """
    if _COOKIE_VALUE.fullmatch(_cookies(scope).get(COOKIE, "")):
        return None
    rules = "SameSite=None; Secure; Partitioned" if scope["scheme"] == "https" else "SameSite=Lax"
    return f"{COOKIE}={secrets.token_urlsafe(32)}; Path=/; HttpOnly; {rules}"


def is_from_elsewhere(scope: Scope) -> bool:
    """Whether a page of another site caused the request.

    Programs send no `Origin`. A page of another site cannot set `X-Forwarded-Host`: the browser
    would ask this server first, which refuses.
    """
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site") == "cross-site"
    own = {headers.get("host", ""), os.environ.get("SPACE_HOST", "")}
    own |= {host.strip() for host in headers.get("x-forwarded-host", "").split(",")}
    parts = urlsplit(origin)
    port = _DEFAULT_PORTS.get(parts.scheme, "")
    names = {host.lower().removesuffix(port) for host in own if host}
    return parts.netloc.lower().removesuffix(port) not in names


def _user(app: Any, cookies: dict[str, str]) -> str | None:
    """The user who has logged in, as Gradio's app remembers it."""
    for name in ("access-token", "access-token-unsecure"):
        user: str | None = app.tokens.get(cookies.get(f"{name}-{app.cookie_id}"))
        if user is not None:
            return user
    return None


def _cookies(scope: Scope) -> dict[str, str]:
    try:
        parsed = SimpleCookie(Headers(scope=scope).get("cookie", ""))
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in parsed.items()}
