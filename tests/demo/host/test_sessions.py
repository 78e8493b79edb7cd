"""Owners of sessions, eviction of sessions, and the origin of requests."""

from __future__ import annotations

from types import SimpleNamespace

import httpx
import pytest
from gradio.state_holder import StateHolder

from facehub.demo.host import origin
from facehub.demo.host.sessions import UNKNOWN, Owner, Sessions, sessions_of, update_fairly
from facehub.demo.settings import Settings
from tests.demo.routes import ask

ADA, BOB, EVE = (Owner(f"10.0.0.{n}", secret) for n, secret in enumerate(("a", "b", "e")))


def test_a_session_belongs_to_the_client_that_began_it() -> None:
    sessions = Sessions()
    assert sessions.claim("x", ADA)
    assert not sessions.claim("x", EVE)
    assert not sessions.claim("x", Owner(ADA.client, "other browser"))
    assert sessions.claim("x", Owner("10.9.9.9", ADA.secret))  # a phone that changes networks
    sessions.forget("x")
    assert sessions.claim("x", EVE)


def test_the_client_with_most_sessions_loses_its_oldest() -> None:
    sessions = Sessions()
    order = ["bob", "e1", "ada", "e2", "e3"]
    for name in order:
        sessions.claim(name, {"b": BOB, "a": ADA}.get(name[0], EVE))
    assert sessions.crowded_out(order) == "e1"
    assert sessions.crowded_out(["ada", "nobody's", "bob", "nobody's too"]) == "nobody's"
    assert sessions.crowded_out(["bob", "ada"]) == "bob"  # a tie: the one unused for longest


def test_a_full_table_of_owners_evicts_the_client_with_most_sessions() -> None:
    sessions = Sessions(capacity=3)
    sessions.claim("ada", ADA)
    for number in range(9):
        assert sessions.claim(f"e{number}", EVE)
    assert not sessions.claim("ada", EVE)
    assert list(sessions._owners) == ["ada", "e7", "e8"]


def test_made_up_sessions_do_not_evict_another_visitor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StateHolder, "update", update_fairly)
    holder = StateHolder()
    holder.capacity = 300
    holder.session_data["ada"] = object()  # type: ignore[assignment]
    sessions_of(holder).claim("ada", ADA)
    for number in range(305):
        name = f"e{number}"
        if number % 2:  # the others are of single calls, which name no session
            sessions_of(holder).claim(name, EVE)
        holder.session_data[name] = object()  # type: ignore[assignment]
        holder.update(name)
    assert "ada" in holder.session_data
    assert len(holder.session_data) == 300


def test_sessions_of_one_client_do_not_evict_the_gallery_of_another(serve) -> None:
    page, url = serve(Settings())
    page.state_holder.capacity = 3
    visitor = {"Cookie": f"{origin.COOKIE}={'v' * 43}"}
    body = {"data": [None, None, "exactly_one"], "session_hash": "visitor"}
    post = f"{url}gradio_api/call/verify"
    event = httpx.post(post, json=body, headers=visitor).json()["event_id"]
    httpx.get(f"{post}/{event}", headers=visitor)
    held = page.state_holder.session_data["visitor"]
    sessions_of(page.state_holder)._owners["visitor"] = Owner("10.0.0.1", _secret(visitor))
    for number in range(6):
        ask(url, "verify", None, None, "exactly_one", session=f"made-up-{number}")
        ask(url, "verify", None, None, "exactly_one")
    assert page.state_holder.session_data["visitor"] is held
    assert len(page.state_holder.session_data) == 3


def test_the_hash_of_a_session_alone_gives_no_access(page_url: str) -> None:
    mine, other = ({"Cookie": f"{origin.COOKIE}={letter * 43}"} for letter in "mo")
    api = f"{page_url}gradio_api"
    body = {"data": [None], "fn_index": 0, "session_hash": "my-own", "event_id": "x"}
    assert httpx.post(f"{api}/queue/join", json=body, headers=mine).status_code == 200
    for headers in (other, {}):
        join = httpx.post(f"{api}/queue/join", json=body, headers=headers)
        assert join.status_code == 403
        assert httpx.post(f"{api}/cancel", json=body, headers=headers).status_code == 403
        listen = httpx.get(f"{api}/queue/data?session_hash=my-own", headers=headers)
        assert listen.status_code == 403
        assert httpx.get(f"{api}/heartbeat/my-own", headers=headers).status_code == 403
    answer = httpx.get(f"{api}/queue/data?session_hash=my-own", headers=mine)
    assert answer.status_code == 200


@pytest.mark.parametrize("session", [7, ["x"], {"x": 1}, "x" * 201, True])
def test_a_session_hash_that_is_not_a_short_text_is_refused(page_url: str, session: object) -> None:
    body = {"data": [None], "fn_index": 0, "session_hash": session}
    answer = httpx.post(f"{page_url}gradio_api/queue/join", json=body)
    assert answer.status_code == 403


def test_the_page_gives_a_browser_a_cookie(page_url: str) -> None:
    answer = httpx.get(page_url)
    (cookie,) = answer.headers.get_list("set-cookie")
    assert cookie.startswith(f"{origin.COOKIE}=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    again = httpx.get(page_url, headers={"Cookie": cookie.partition(";")[0]})
    assert "set-cookie" not in again.headers
    scope = {"scheme": "https", "headers": []}
    assert "SameSite=None; Secure; Partitioned" in (origin.new_cookie(scope) or "")


def test_an_ipv6_client_is_a_64_bit_network() -> None:
    assert origin.client_of({"client": ("192.0.2.7", 1)}) == "192.0.2.7"
    one, two, other = (
        origin.client_of({"client": (host, 1)})
        for host in ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1")
    )
    assert one == two == "2001:db8::/64"
    assert other != one
    assert origin.client_of({"client": None}) == UNKNOWN


def _secret(headers: dict[str, str]) -> str:
    app = SimpleNamespace(tokens={}, cookie_id="x")
    raw = [(b"cookie", headers["Cookie"].encode())]
    return origin.owner_of({"client": ("127.0.0.1", 1), "headers": raw, "app": app}).secret
