"""Clients that guess passwords must wait."""

from __future__ import annotations

from facehub.demo.host.logins import CLIENTS, FORGOTTEN, FREE, LONGEST, Logins


def test_failures_make_a_client_wait_longer_and_longer() -> None:
    now = 0.0
    logins = Logins(lambda: now)
    for _ in range(FREE):
        assert logins.wait("eve") == 0
        logins.fail("eve")
    assert logins.wait("eve") == 2
    now = 1.5
    assert logins.wait("eve") == 0.5
    now = 2.0
    assert logins.wait("eve") == 0
    logins.fail("eve")
    assert logins.wait("eve") == 4
    assert logins.wait("ada") == 0
    for _ in range(20):
        logins.fail("eve")
    assert logins.wait("eve") == LONGEST
    now += FORGOTTEN + 1
    logins.fail("eve")
    assert logins.wait("eve") == 0


def test_a_client_has_one_login_attempt_at_a_time() -> None:
    logins = Logins(lambda: 0.0)
    with logins.attempt("eve"):
        assert logins.wait("eve") > 0
        assert logins.wait("ada") == 0
    assert logins.wait("eve") == 0


def test_the_number_of_remembered_clients_is_limited() -> None:
    logins = Logins(lambda: 0.0)
    for number in range(CLIENTS + 5):
        logins.fail(str(number))
    assert len(logins._failures) == CLIENTS
