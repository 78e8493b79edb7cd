"""Load test of `app.py` with many clients: throughput, memory, and leftover files.

python benchmarks/load.py [--clients 32] [--seconds 120]

Fails if a client gets an error, an unneeded file is left, the page adds more than 50 ms of CPU time
to a comparison, or memory grows by more than 10 % after the first 20 s.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import functools
import http.client
import itertools
import json
import os
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURES = [ROOT / "examples" / f"{name}.jpg" for name in ("eileen_collins", "grace_hopper")]
THREADS = os.cpu_count() or 1
BOUNDARY = "facehub-load"
DECISIONS = ("same", "different", "uncertain")
BUSY = "busy"
REQUESTS = 5  # of a client before it is another visitor
MAX_OVERHEAD = 0.05  # seconds of a core that the page may add to a comparison
MAX_GROWTH = 1.1  # of memory
SAMPLE_EVERY, SETTLED = 10, 20  # seconds; memory is compared with that when it has settled


class BusyError(Exception):
    """The app refused a request because it is busy."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.alone:
        print(_alone(args.seconds))
        return

    command = [sys.executable, __file__, "--alone", "--seconds", "20"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    alone = float(output.splitlines()[-1])
    print(f"library alone, {THREADS} threads: {alone:.1f} comparisons/s")

    port = _free_port()
    app = subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={**os.environ, "GRADIO_SERVER_PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        before = time.process_time()
        outcomes, latencies, memory, folder, refused = _load(
            port, app.pid, args.clients, args.seconds
        )
        own = time.process_time() - before
        left = {path for path in folder.rglob("*") if path.is_file()} - refused
    finally:
        app.send_signal(signal.SIGTERM)
        app.wait(20)
    rate = sum(outcomes[decision] for decision in DECISIONS) / args.seconds
    print(f"{args.clients} clients, {args.seconds:.0f} s: {dict(outcomes)}")
    overhead = THREADS / max(rate, 1e-9) - THREADS / alone
    print(f"throughput {rate:.1f} comparisons/s, {100 * rate / alone:.0f} % of the library alone")
    print(f"the page adds {1000 * overhead:.0f} ms of a core to each comparison")
    print(f"of the cores' time, the clients took {100 * own / args.seconds / THREADS:.0f} %")
    if len(latencies) > 1:
        print(
            f"latency: median {statistics.median(latencies):.2f} s, "
            f"95 % {statistics.quantiles(latencies, n=20)[-1]:.2f} s"
        )
    print(
        f"memory of the app and its uploads, MiB, every {SAMPLE_EVERY} s: "
        + ", ".join(f"{m:.0f}" for m in memory)
    )
    print(
        f"files left: {len(left)}, and {len(refused)} of clients that were told busy, which the "
        f"app sweeps after ten minutes; folder left after the end: {folder.exists()}"
    )
    found = faults(outcomes, overhead, memory, bool(left) or folder.exists())
    if found:
        sys.exit(f"error: {'; '.join(found)}")


def faults(
    outcomes: collections.Counter[str], overhead: float, memory: list[float], left: bool
) -> list[str]:
    """List failures.

    Args:
        outcomes: how often which.
        overhead: seconds of a core that the page adds to a comparison.
        memory: a sample every `SAMPLE_EVERY` seconds.
        left: whether anything was left on the disk.
    """
    settled = memory[SETTLED // SAMPLE_EVERY :]
    found = {
        "a client got something else than a decision or an honest busy": bool(
            set(outcomes) - {*DECISIONS, BUSY}
        ),
        "files or the folder were left": left,
        f"the page adds over {1000 * MAX_OVERHEAD:.0f} ms": overhead > MAX_OVERHEAD,
        "memory has grown": bool(settled) and settled[-1] > MAX_GROWTH * settled[0],
    }
    return [text for text, is_so in found.items() if is_so]


def _alone(seconds: float) -> float:
    """Measure the library's comparisons per second from the same files."""
    from facehub import default_recognizer, verify

    recognizer = default_recognizer()
    verify(*PICTURES, recognizer=recognizer)
    end = time.monotonic() + seconds

    def work(_: int) -> int:
        count = 0
        while time.monotonic() < end:
            verify(*(path.read_bytes() for path in PICTURES), recognizer=recognizer)
            count += 1
        return count

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(work, range(THREADS))) / seconds


def _load(
    port: int, pid: int, clients: int, seconds: float
) -> tuple[collections.Counter[str], list[float], list[float], Path, set[Path]]:
    """Outcomes, latencies, memory, the upload folder, and uploads of refused clients."""
    outcomes: collections.Counter[str] = collections.Counter()
    latencies: list[float] = []
    refused: set[Path] = set()
    folder = _upload_folder(port)
    end = time.monotonic() + seconds

    def visit(_: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        for number in itertools.count():
            started = time.monotonic()
            if started >= end:
                return
            if number % REQUESTS == 0:
                session = secrets.token_hex(8)
            try:
                outcome = _compare(connection, session, refused)
            except Exception as error:
                outcome = repr(error)
                connection.close()
            now = time.monotonic()
            if now < end:
                latencies.append(now - started)
            if now < end or outcome not in DECISIONS:  # late answers do not count
                outcomes[outcome] += 1

    with ThreadPoolExecutor(clients) as pool:
        visits = [pool.submit(visit, i) for i in range(clients)]
        memory = [_memory_mib(pid, folder)]
        while wait(visits, timeout=SAMPLE_EVERY).not_done:
            memory.append(_memory_mib(pid, folder))
    return outcomes, latencies, memory, folder, refused


def _upload(connection: http.client.HTTPConnection) -> list[str]:
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    paths: list[str] = json.loads(
        _request(connection, "POST", "/gradio_api/upload", _multipart(), kind)
    )
    return paths


def _upload_folder(port: int) -> Path:
    """Find the app's upload folder by an upload, which is removed again."""
    paths = [Path(path) for path in _upload(http.client.HTTPConnection("127.0.0.1", port))]
    for path in paths:
        path.unlink()
        path.parent.rmdir()
    return paths[0].parents[1]


def _compare(connection: http.client.HTTPConnection, session: str, refused: set[Path]) -> str:
    """Upload and compare the pictures, as the page does; return a decision, busy, or an error."""
    paths = _upload(connection)
    data = [{"path": path, "meta": {"_type": "gradio.FileData"}} for path in paths]
    body = json.dumps({"data": [*data, "exactly_one"], "session_hash": session}).encode()
    try:
        answer = _request(connection, "POST", "/gradio_api/call/verify", body, "application/json")
    except BusyError:
        refused.update(map(Path, paths))
        return BUSY
    text = _request(connection, "GET", f"/gradio_api/call/verify/{json.loads(answer)['event_id']}")
    kind = text.split("event: ")[-1].split("\n")[0]
    content = text.split("data: ")[-1].strip()
    return json.loads(content)[0]["decision"] if kind == "complete" else f"{kind} {content}"


def _request(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    content_type: str = "",
) -> str:
    connection.request(method, path, body, {"Content-Type": content_type} if body else {})
    response = connection.getresponse()
    text = response.read().decode()
    if response.status == 503:
        raise BusyError(text)
    if response.status != 200:
        raise RuntimeError(f"{response.status} {text[:60]}")
    return text


@functools.cache
def _multipart() -> bytes:
    """Make the body of an upload from the pictures."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n\r\n'
    parts = [(head % path.name).encode() + path.read_bytes() + b"\r\n" for path in PICTURES]
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def _memory_mib(pid: int, folder: Path) -> float:
    """Memory of the process and of the uploads, which may be in memory."""
    resident = Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]
    uploads = 0
    for parent, _, names in os.walk(folder):  # unlike `rglob`, tolerates files removed meanwhile
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                uploads += os.stat(os.path.join(parent, name)).st_size
    return int(resident) / 1024 + uploads / 2**20


def _wait_for(port: int) -> None:
    for _ in range(300):
        try:
            _request(http.client.HTTPConnection("127.0.0.1", port), "GET", "/config")
            return
        except (OSError, RuntimeError):
            time.sleep(0.2)
    raise RuntimeError("the app did not start")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


if __name__ == "__main__":
    main()
