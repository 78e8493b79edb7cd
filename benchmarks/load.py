"""Many clients at once against `app.py`: throughput, memory, and what is left on the disk.

python benchmarks/load.py [--clients 32] [--seconds 120]
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import os
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
PICTURES = [ROOT / "examples" / f"{name}.jpg" for name in ("eileen_collins", "grace_hopper")]
THREADS = os.cpu_count() or 1


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
        url = f"http://127.0.0.1:{port}"
        _wait_for(url)
        outcomes, latencies, memory, folder = asyncio.run(
            _load(url, app.pid, args.clients, args.seconds)
        )
        left = [path for path in folder.rglob("*") if path.is_file()]
    finally:
        app.send_signal(signal.SIGTERM)
        app.wait(20)
    done = outcomes["same"] + outcomes["different"] + outcomes["uncertain"]
    rate = done / args.seconds
    print(f"{args.clients} clients, {args.seconds:.0f} s: {dict(outcomes)}")
    print(f"throughput {rate:.1f} comparisons/s, {100 * rate / alone:.0f} % of the library alone")
    print(
        f"latency: median {statistics.median(latencies):.2f} s, "
        f"95 % {statistics.quantiles(latencies, n=20)[-1]:.2f} s"
    )
    print("memory of the app, MiB, every 10 s: " + ", ".join(f"{m:.0f}" for m in memory))
    print(f"files of clients left: {len(left)}; folder left after the end: {folder.exists()}")


def _alone(seconds: float) -> float:
    """Comparisons a second that the library reaches from the same files."""
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


async def _load(
    url: str, pid: int, clients: int, seconds: float
) -> tuple[collections.Counter[str], list[float], list[float], Path]:
    outcomes: collections.Counter[str] = collections.Counter()
    latencies: list[float] = []
    memory: list[float] = []
    folder = Path()
    files = [("files", (path.name, path.read_bytes())) for path in PICTURES]

    async def compare(client: httpx.AsyncClient, session: str) -> str:
        nonlocal folder
        paths = (await client.post("/gradio_api/upload", files=files)).json()
        folder = Path(paths[0]).parents[1]
        data = [{"path": p, "meta": {"_type": "gradio.FileData"}} for p in paths]
        body = {"data": [*data, "exactly_one"], "session_hash": session}
        answer = await client.post("/gradio_api/call/verify", json=body)
        if answer.status_code != 200:
            return f"{answer.status_code} {answer.text[:60]}"
        event = answer.json()["event_id"]
        text = (await client.get(f"/gradio_api/call/verify/{event}")).text
        kind = text.split("event: ")[-1].split("\n")[0]
        content = text.split("data: ")[-1].strip()
        return json.loads(content)[0]["decision"] if kind == "complete" else f"{kind} {content}"

    async def visit(end: float) -> None:
        session = secrets.token_hex(8)
        async with httpx.AsyncClient(base_url=url, timeout=120) as client:
            while time.monotonic() < end:
                started = time.monotonic()
                try:
                    outcome = await compare(client, session)
                except Exception as error:
                    outcome = repr(error)
                outcomes[outcome] += 1
                latencies.append(time.monotonic() - started)

    async def watch(end: float) -> None:
        while time.monotonic() < end:
            memory.append(_resident_mib(pid))
            await asyncio.sleep(10)
        memory.append(_resident_mib(pid))

    end = time.monotonic() + seconds
    await asyncio.gather(watch(end), *(visit(end) for _ in range(clients)))
    return outcomes, latencies, memory, folder


def _resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def _wait_for(url: str) -> None:
    for _ in range(300):
        try:
            httpx.get(f"{url}/config")
            return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise RuntimeError("the app did not start")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


if __name__ == "__main__":
    main()
