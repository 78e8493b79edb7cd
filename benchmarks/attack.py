"""Measure an honest client's latency while attackers send slow pictures to service and page.

python benchmarks/attack.py [--clients 2] [--seconds 20]

The pictures are JPEGs of 40 KB with 99 scans of 9.9 megapixels: about the slowest accepted.
Each attacker sends the next one as soon as the last is answered. Fails if the honest client's
median time during the attack is more than three times that before, or if it gets an error.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import secrets
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
from PIL import Image

ROOT = Path(__file__).parents[1]
PAIR = [(ROOT / "examples" / f"{name}.jpg").read_bytes() for name in ("grace_hopper", "both")]
SCANS, SIZE = 99, (3100, 3200)
END, SCAN = 0xD9, 0xDA
LIMIT = 3  # times the median before
Compare = Callable[[httpx.Client, list[bytes]], str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=2, help="attackers")
    parser.add_argument("--seconds", type=float, default=20, help="of each part")
    args = parser.parse_args()
    bombs = [slow_jpeg(SCANS, SIZE)] * 2
    found = []
    for name, served, compare in (("service", service, ask_service), ("page", page, ask_page)):
        with served() as url:
            before, _ = measure(url, compare, [], args.seconds, 0)
            during, answers = measure(url, compare, bombs, args.seconds, args.clients)
        ratio = statistics.median(during) / statistics.median(before)
        print(f"{name}: median {_ms(before)} alone, {_ms(during)} during the attack: {ratio:.2f}")
        print(f"  95 %: {_ms(before, 95)} and {_ms(during, 95)}; attackers got {dict(answers)}")
        found += [name] * (ratio > LIMIT)
    if found:
        sys.exit(f"error: over {LIMIT} times as long: {', '.join(found)}")


def slow_jpeg(scans: int, size: tuple[int, int]) -> bytes:
    """Make a progressive JPEG of one grey whose last refinement scan is repeated up to `scans`."""
    buffer = io.BytesIO()
    Image.new("L", size, 128).save(buffer, "JPEG", progressive=True, quality=50)
    data = buffer.getvalue()
    parts: list[tuple[int, bytes]] = []
    place = 2
    while data[place + 1] != END:
        marker = data[place + 1]
        (length,) = struct.unpack(">H", data[place + 2 : place + 4])
        end = place + 2 + length
        while marker == SCAN and not (data[end] == 0xFF and data[end + 1] != 0):
            end += 1
        parts.append((marker, data[place:end]))
        place = end
    own = [part for marker, part in parts if marker == SCAN]
    body = b"".join(part for _, part in parts) + own[-1] * (scans - len(own))
    return data[:2] + body + data[place:]


def measure(
    url: str, compare: Compare, bombs: list[bytes], seconds: float, attackers: int
) -> tuple[list[float], Counter[str]]:
    """Measure the seconds of each honest comparison, and count the answers to the attackers."""
    stop = threading.Event()
    answers: Counter[str] = Counter()

    def attack() -> None:
        with httpx.Client(base_url=url, timeout=120) as client:
            while not stop.is_set():
                answers[compare(client, bombs)] += 1

    threads = [threading.Thread(target=attack) for _ in range(attackers)]
    times = []
    with httpx.Client(base_url=url, timeout=120) as client:
        for _ in range(5):
            compare(client, PAIR)
        for thread in threads:
            thread.start()
        time.sleep(1)
        end = time.monotonic() + seconds
        while (started := time.monotonic()) < end:
            answer = compare(client, PAIR)
            if answer != "cannot_tell":  # there are two faces in the second
                raise RuntimeError(f"the honest client got {answer}")
            times.append(time.monotonic() - started)
    stop.set()
    for thread in threads:
        thread.join()
    return times, answers


def ask_service(client: httpx.Client, pair: list[bytes]) -> str:
    """Return the decision, or the error's name."""
    files = {"first": pair[0], "second": pair[1]}
    headers = {"Authorization": f"Bearer {os.environ['FACEHUB_ATTACK_TOKEN']}"}
    answer = client.post("/v1/verify", files=files, headers=headers).json()
    return str(answer.get("decision") or answer["error"])


def ask_page(client: httpx.Client, pair: list[bytes]) -> str:
    """Return the decision, or the error's text."""
    files = [("files", (f"{number}.jpg", content)) for number, content in enumerate(pair)]
    paths = client.post("/gradio_api/upload", files=files).raise_for_status().json()
    data = [{"path": path, "meta": {"_type": "gradio.FileData"}} for path in paths]
    body = {"data": [*data, "exactly_one"], "session_hash": secrets.token_hex(8)}
    call = client.post("/gradio_api/call/verify", json=body)
    if call.status_code == 503:
        return "busy"
    event = call.raise_for_status().json()["event_id"]
    text = client.get(f"/gradio_api/call/verify/{event}").text
    content = json.loads(text.split("data: ")[-1].split("\n")[0])
    return str(content[0]["decision"] if isinstance(content, list) else content["error"])


@contextlib.contextmanager
def service() -> Iterator[str]:
    """Run `facehub serve`; its key is in the environment."""
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder, "keys.json")
        words = ["keys", str(keys), "--add", "attack", "--rate", "100000"]
        made = subprocess.run([*_facehub(), *words], check=True, capture_output=True, text=True)
        os.environ["FACEHUB_ATTACK_TOKEN"] = made.stdout.strip()
        port = _free_port()
        with _run([*_facehub(), "serve", "--keys", str(keys), "--port", str(port)], port):
            yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def page() -> Iterator[str]:
    """Run `facehub demo`."""
    port = _free_port()
    os.environ["GRADIO_SERVER_PORT"] = str(port)
    with _run([*_facehub(), "demo"], port):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def _run(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(300):
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"http://127.0.0.1:{port}/")
                break
            time.sleep(0.2)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _facehub() -> list[str]:
    return [sys.executable, "-m", "facehub"]


def _ms(times: list[float], percent: int = 50) -> str:
    return f"{1000 * statistics.quantiles(times, n=100)[percent - 1]:.0f} ms"


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


if __name__ == "__main__":
    main()
