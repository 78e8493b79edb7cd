"""Load test of `facehub serve` with many clients, generated from its OpenAPI document.

python benchmarks/service.py [--clients 32] [--seconds 10]

A third of the clients share a key with a low limit, and the queue is shorter than the number of
clients, so responses include 429 and 503. Fails if a client gets any other error or an exception,
if a refusal has no Retry-After, or if the gallery finally differs from the reported changes.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import importlib
import io
import itertools
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]
EXAMPLES = [
    (ROOT / "examples" / f"{name}.jpg").read_bytes()
    for name in ("eileen_collins", "eileen_collins_tilted", "grace_hopper", "both")
]
GALLERY = "people"
QUEUE_SIZE = 8
LOW_RATE = 120  # requests a minute
HONEST = (429, 503)


@dataclass
class Outcomes:
    """The responses to the clients.

    Attributes:
        statuses: how often each status of each operation, or the name of an exception.
        seconds: of each request that was done.
        silent: refusals that did not say when to come back.
        expected: how many templates each person must have in the end.
    """

    statuses: collections.Counter[tuple[str, int | str]] = field(
        default_factory=collections.Counter
    )
    seconds: list[float] = field(default_factory=list)
    silent: int = 0
    expected: dict[str, int] = field(default_factory=dict)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="facehub-service-") as name, served(Path(name)) as url:
        folder = Path(name)
        api = generate(httpx.get(f"{url}/openapi.json").text, folder)
        tokens = [(folder / f"{key}.token").read_text().strip() for key in ("all", "low")]
        outcomes = load(api, url, tokens, args.clients, args.seconds)
        found = people(api, url, tokens[0])
    done = len(outcomes.seconds)
    print(
        f"{args.clients} clients, {args.seconds:.0f} s: {done / args.seconds:.1f} requests/s done"
    )
    for (operation, status), count in sorted(outcomes.statuses.items(), key=str):
        print(f"  {operation:14} {status}  {count}")
    if done > 1:
        late = statistics.quantiles(outcomes.seconds, n=20)[-1]
        print(f"latency: median {statistics.median(outcomes.seconds):.2f} s, 95 % {late:.2f} s")
    print(f"people reported: {len(outcomes.expected)}, in the gallery: {len(found)}")
    wrong = faults(outcomes, found)
    if wrong:
        sys.exit(f"error: {'; '.join(wrong)}")


def faults(outcomes: Outcomes, found: dict[str, int]) -> list[str]:
    """List failures.

    Args:
        outcomes: what the clients got.
        found: templates of each person in the gallery afterwards.
    """
    kinds = {status for _, status in outcomes.statuses}
    checks = {
        "a client got another error than 429 or 503": any(
            isinstance(kind, str) or (kind >= 400 and kind not in HONEST) for kind in kinds
        ),
        "a refusal did not say when to come back": outcomes.silent > 0,
        "the gallery is not what was reported": found != outcomes.expected,
        "nothing was done": not outcomes.seconds,
    }
    return [text for text, is_so in checks.items() if is_so]


def generate(document: str, folder: Path) -> Any:
    """Generate a client package from an OpenAPI document, and import it.

    Args:
        document: JSON.
        folder: where the package is written.
    """
    (folder / "openapi.json").write_text(document)
    (folder / "generator.yaml").write_text("post_hooks: []\n")
    words = ["generate", "--path", "openapi.json", "--meta", "none", "--output-path", "service_api"]
    subprocess.run(
        [sys.executable, "-m", "openapi_python_client", *words, "--config", "generator.yaml"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    sys.path.insert(0, str(folder))
    try:
        for name in json.loads(document)["paths"].values():
            for operation in name.values():
                importlib.import_module(f"service_api.api.default.{operation['operationId']}")
        importlib.import_module("service_api.models")
        return importlib.import_module("service_api")
    finally:
        sys.path.remove(str(folder))


class Caller:
    """One client: calls operations of the generated package and counts the responses."""

    def __init__(self, api: Any, url: str, token: str, outcomes: Outcomes) -> None:
        self._api = api
        self._client = _client(api, url, token)
        self._outcomes = outcomes

    def __call__(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        """Return the answer, or None if the request was refused."""
        module = getattr(self._api.api.default, operation)
        started = time.monotonic()
        try:
            answer = module.sync_detailed(*args, client=self._client, **kwargs)
        except Exception as error:
            self._outcomes.statuses[operation, repr(error)] += 1
            return None
        status = int(answer.status_code)
        self._outcomes.statuses[operation, status] += 1
        if status < 400:
            self._outcomes.seconds.append(time.monotonic() - started)
            return answer
        wait = answer.headers.get("Retry-After", "")
        if status in HONEST:
            self._outcomes.silent += not (wait.isdecimal() and answer.parsed.error)
            time.sleep(0.1)  # sooner than Retry-After, to keep the service busy
        return None

    def file(self, content: bytes) -> Any:
        """Make a picture argument for the package."""
        return self._api.types.File(io.BytesIO(content), "picture.jpg", "image/jpeg")

    def model(self, kind: str, /, **values: Any) -> Any:
        """Make a request body for the package."""
        return getattr(self._api.models, kind)(**values)


def load(api: Any, url: str, tokens: list[str], clients: int, seconds: float) -> Outcomes:
    """Run many clients; each enrols, renames and removes its own people."""
    outcomes = Outcomes()
    end = time.monotonic() + seconds

    def visit(number: int) -> None:
        call = Caller(api, url, tokens[number % 3 == 0], outcomes)
        for turn in itertools.count():
            for step in _steps(call, f"Person {number}-{turn}", turn, outcomes.expected):
                if time.monotonic() >= end:
                    return
                step()

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(visit, range(clients)))
    return outcomes


def _steps(
    call: Caller, name: str, turn: int, expected: dict[str, int]
) -> Iterator[Callable[[], None]]:
    """One round of a client: its requests, and the expected changes."""

    def enrol() -> None:
        body = call.model("EnrolBody", picture=call.file(EXAMPLES[turn % 3]), name=name)
        if call("enrol", GALLERY, body=body):
            expected[name] = 1

    def search() -> None:
        call("identify", GALLERY, body=call.file(EXAMPLES[3]))

    def verify() -> None:
        first, second = (call.file(EXAMPLES[place % 3]) for place in (turn, turn + 1))
        call("verify", body=call.model("VerifyBody", first=first, second=second))

    def look() -> None:
        call("list_people", GALLERY, limit=20)

    def rename() -> None:
        body = call.model("RenamePersonRename", name=name, new_name=f"{name}, renamed")
        if name in expected and call("rename_person", GALLERY, body=body):
            expected[f"{name}, renamed"] = expected.pop(name)

    def remove() -> None:
        body = call.model("RemovePersonRemove", name=name)
        if name in expected and call("remove_person", GALLERY, body=body):
            del expected[name]

    return iter([enrol, search, verify, look, rename if turn % 2 else remove])


def people(api: Any, url: str, token: str) -> dict[str, int]:
    """Count each person's templates in the gallery, page by page."""
    client = _client(api, url, token)
    found: dict[str, int] = {}
    while True:
        page = api.api.default.list_people.sync(GALLERY, client=client, offset=len(found), limit=50)
        found |= {person.name: person.templates for person in page.people}
        if len(found) >= page.total:
            return found


def _client(api: Any, url: str, token: str) -> Any:
    options = {"timeout": 120, "verify_ssl": False}  # skips loading certificates
    return api.AuthenticatedClient(base_url=url, token=token, **options)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Run the service with an empty gallery in a folder; yield its URL."""
    command = [sys.executable, "-m", "facehub"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "FACEHUB_QUEUE_SIZE": str(QUEUE_SIZE),
        "FACEHUB_GALLERIES": f"{GALLERY}=people.db",
    }
    for key, rate in (("all", 10**6), ("low", LOW_RATE)):
        words = ["keys", "keys.json", "--add", key, "--scopes", "read,enrol,admin"]
        with (folder / f"{key}.token").open("w") as token:
            subprocess.run(
                [*command, *words, "--rate", str(rate)],
                cwd=folder,
                env=environment,
                check=True,
                stdout=token,
                stderr=subprocess.DEVNULL,
            )
    port = _free_port()
    process = subprocess.Popen(
        [*command, "serve", "--port", str(port)],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, process)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            break
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"{url}/healthz").raise_for_status()
            return
        time.sleep(0.2)
    raise RuntimeError("the service did not start")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


if __name__ == "__main__":
    main()
