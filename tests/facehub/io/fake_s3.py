"""A local S3 server for one bucket: the part of the protocol that s3fs uses to list and read."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class FakeS3:
    """Serves one bucket on a free port of 127.0.0.1."""

    def __init__(self, bucket: str, objects: dict[str, bytes]) -> None:
        self.bucket, self.objects = bucket, objects
        handler = type("Handler", (_Handler,), {"s3": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    s3: FakeS3
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if bucket != self.s3.bucket:
            self.send(404, b"<Error><Code>NoSuchBucket</Code></Error>")
        elif not key:
            self.send(200, self.listing(query.get("prefix", ""), query.get("delimiter", "")))
        elif key not in self.s3.objects:
            self.send(404, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            self.send_object(self.s3.objects[key])

    do_HEAD = do_GET  # noqa: N815

    def send_object(self, content: bytes) -> None:
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if found is None:
            self.send(200, content)
            return
        start, end = int(found[1]), int(found[2] or len(content)) + 1
        if start >= len(content):
            self.send(416, b"<Error><Code>InvalidRange</Code></Error>")
        else:
            self.send(206, content[start:end])

    def listing(self, prefix: str, delimiter: str) -> bytes:
        below = sorted(key for key in self.s3.objects if key.startswith(prefix))
        cut = {key: key[len(prefix) :].partition(delimiter) for key in below} if delimiter else {}
        folders = sorted({prefix + head + mark for head, mark, _ in cut.values() if mark})
        files = [key for key in below if not (delimiter and cut[key][1])]
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.s3.objects[key])}</Size>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>x</ETag>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for key in files
        )
        prefixes = "".join(
            f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>"
            for folder in folders
        )
        return (
            '<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>'
            f"<Name>{self.s3.bucket}</Name><Prefix>{escape(prefix)}</Prefix>"
            f"<KeyCount>{len(files) + len(folders)}</KeyCount>{contents}{prefixes}"
            "</ListBucketResult>"
        ).encode()

    def send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
