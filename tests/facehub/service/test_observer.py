"""The log, the metrics and the response headers."""

from __future__ import annotations

import logging
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.facehub.service.conftest import Running
from tests.facehub.service.fakes import RED, picture

PEOPLE = "/v1/galleries/people/people"


def metrics(running: Running) -> dict[tuple[str, ...], float]:
    """Value by name and labels."""
    text = running.ask("GET", "/metrics", "metrics").text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_log_holds_routes_but_no_names_or_keys(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    form = {"files": {"picture": ("Ada.png", picture(RED))}, "data": {"name": "Ada"}}
    running.ask("POST", f"{PEOPLE}?policy=largest", **form)
    running.ask("POST", f"{PEOPLE}/remove", json={"name": "Bob"})
    running.client.get("/Ada", headers={"Authorization": "Bearer Ada"})
    lines = [r.getMessage() for r in caplog.records if r.name == "facehub.service"]
    assert [re.sub(r"\d+ ms", "N ms", line) for line in lines] == [
        "POST /v1/galleries/{gallery}/people 201 N ms",
        "POST /v1/galleries/{gallery}/people/remove 404 N ms",
        "GET - 404 N ms",
    ]


def test_requests_are_counted_by_route_and_status(running: Running) -> None:
    for name in ("people", "staff", "none"):
        running.ask("GET", f"/v1/galleries/{name}/people")
    running.client.get("/Ada")
    running.client.request("BREW", "/Ada")
    found = metrics(running)
    route = "/v1/galleries/{gallery}/people"
    assert found["facehub_requests_total", "GET", route, "200"] == 2
    assert found["facehub_requests_total", "GET", route, "404"] == 1
    assert found["facehub_requests_total", "GET", "-", "404"] == 1
    assert found["facehub_requests_total", "-", "-", "404"] == 1
    assert found["facehub_request_seconds_count", "GET", route] == 3
    assert found[("facehub_requests_inside",)] == 0
    assert found[("facehub_uploads_bytes",)] == 0
    assert found[("process_resident_memory_bytes",)] > 0
    assert not {part for labels in found for part in labels} & {"Ada", "people", "staff", "all"}


def test_responses_forbid_caching_and_framing(running: Running) -> None:
    for path in ("/healthz", "/nothing", "/openapi.json"):
        headers = running.client.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "same-origin"
