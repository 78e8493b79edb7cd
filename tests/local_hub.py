"""A Hub for the tests: the part of its protocol that huggingface_hub needs.

It keeps everything in memory. `faults` makes requests fail: it maps a part of "METHOD PATH" to a
status code, "drop" (the connection closes halfway through the content, once), "hang up" (it always
closes before any content) or "corrupt" (the bytes arrive in reverse).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

WRITER, READER = "hf_writer", "hf_reader"  # tokens


@dataclass
class Repo:
    private: bool
    settings: dict[str, Any]
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: bool = False

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        before = self.commits.get(self.branches.get(branch, ""), {})
        oid = hashlib.sha1(f"{len(self.commits)}{sorted(files)}".encode()).hexdigest()
        self.commits[oid] = {**before, **files}
        self.branches[branch] = oid
        return oid

    def oid(self, revision: str) -> str | None:
        return self.branches.get(revision) or (revision if revision in self.commits else None)


class LocalHub:
    """A server on a free port of 127.0.0.1. It starts when it is created."""

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}
        self.lfs: dict[str, bytes] = {}
        self.faults: dict[str, int | str] = {}
        self.requests: list[str] = []
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reset(self) -> None:
        for held in (self.repos, self.lfs, self.faults, self.requests):
            held.clear()

    def files(self, repo: str, revision: str = "main", kind: str = "models") -> dict[str, bytes]:
        found = self.repos[kind, repo]
        return found.commits[found.oid(revision) or ""]


class _Handler(BaseHTTPRequestHandler):
    hub: LocalHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def do_HEAD(self) -> None:
        self.answer()

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD  # noqa: N815

    def answer(self) -> None:
        url = urlsplit(self.path)
        self.where, self.query = unquote(url.path), parse_qs(url.query)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            self.body = self._chunks()
        request = f"{self.command} {self.where}"
        self.hub.requests.append(request)
        self.fault = next((f for part, f in self.hub.faults.items() if part in request), None)
        if isinstance(self.fault, int):
            self.send(self.fault, {"error": f"made to answer {self.fault}"})
            return
        for pattern, method in _ROUTES:
            match = re.fullmatch(pattern, request)
            if match:
                method(self, *match.groups())
                return
        self.send(404, {"error": f"no such route: {request}"})

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def send(self, status: int, content: Any = b"", **headers: str) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.fault == "drop":
            self.hub.faults = {k: v for k, v in self.hub.faults.items() if v != "drop"}
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
        elif self.fault == "hang up":
            self.close_connection = True
        elif self.fault == "corrupt":
            self.wfile.write(bytes(reversed(data)))
        else:
            self.wfile.write(data)

    def token(self) -> str | None:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None

    def may_write(self) -> bool:
        if self.token() == WRITER:
            return True
        self.send(403 if self.token() == READER else 401, {"error": "no rights"})
        return False

    def repo(self, kind: str, name: str) -> Repo | None:
        """Return the repository, or send an error and return None."""
        repo = self.hub.repos.get((kind, name))
        if repo is None or (repo.private and self.token() not in (WRITER, READER)):
            status = 401 if self.token() is None else 404
            self.send(status, {"error": "not found"}, X_Error_Code="RepoNotFound")
        elif repo.gated and self.token() != WRITER:
            self.send(403, {"error": "ask for access"}, X_Error_Code="GatedRepo")
        else:
            return repo
        return None

    def whoami(self) -> None:
        if self.token() in (WRITER, READER):
            self.send(200, {"name": "owner", "type": "user", "auth": {}})
        else:
            self.send(401, {"error": "Invalid user token."})

    def create(self) -> None:
        if not self.may_write():
            return
        wanted = json.loads(self.body)
        kind = wanted.get("type", "model") + "s"
        name = f"{wanted.get('organization') or 'owner'}/{wanted['name']}"
        if (kind, name) in self.hub.repos:
            self.send(409, {"error": "exists"})
            return
        private = bool(wanted.get("private")) or wanted.get("visibility") == "private"
        self.hub.repos[kind, name] = repo = Repo(private, wanted)
        repo.commit("main", {".gitattributes": b""})
        prefix = "" if kind == "models" else f"{kind}/"
        self.send(200, {"url": f"{self.hub.url}/{prefix}{name}", "name": name})

    def delete(self) -> None:
        if self.may_write():
            wanted = json.loads(self.body)
            name = f"{wanted.get('organization') or 'owner'}/{wanted['name']}"
            self.hub.repos.pop((wanted.get("type", "model") + "s", name), None)
            self.send(200, {})

    def info(self, kind: str, name: str, revision: str | None) -> None:
        if (repo := self.repo(kind, name)) is None:
            return
        oid = repo.oid(revision or "main")
        if oid is None:
            self.send(404, {"error": "revision"}, X_Error_Code="RevisionNotFound")
            return
        siblings = [{"rfilename": path} for path in repo.commits[oid]]
        self.send(200, {"id": name, "sha": oid, "private": repo.private, "siblings": siblings})

    def branch(self, kind: str, name: str, branch: str) -> None:
        if self.may_write() and (repo := self.repo(kind, name)) is not None:
            if branch in repo.branches:
                self.send(409, {"error": "exists"})
            else:
                repo.branches[branch] = repo.branches["main"]
                self.send(201, {})

    def preupload(self, kind: str, name: str, revision: str) -> None:
        if self.may_write() and self.repo(kind, name) is not None:
            files = json.loads(self.body)["files"]
            modes = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["size"] > 100_000 else "regular",
                    "shouldIgnore": False,
                }
                for file in files
            ]
            self.send(200, {"files": modes})

    def lfs_batch(self) -> None:
        if self.may_write():
            objects = []
            for item in json.loads(self.body)["objects"]:
                if item["oid"] not in self.hub.lfs:
                    href = f"{self.hub.url}/lfs/{item['oid']}"
                    item["actions"] = {"upload": {"href": href}}
                objects.append(item)
            self.send(200, {"transfer": "basic", "objects": objects})

    def lfs_put(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            self.send(400, {"error": "wrong checksum"})
            return
        self.hub.lfs[oid] = self.body
        self.send(200)

    def commit(self, kind: str, name: str, revision: str) -> None:
        if not self.may_write() or (repo := self.repo(kind, name)) is None:
            return
        files = {}
        for line in self.body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = self.hub.lfs[value["oid"]]
        answer = {}
        if self.query.get("create_pr") == ["1"]:
            revision = "refs/pr/1"
            answer["pullRequestUrl"] = f"{self.hub.url}/{name}/discussions/1"
        oid = repo.commit(revision, files)
        url = f"{self.hub.url}/{name}/commit/{oid}"
        self.send(200, {**answer, "success": True, "commitUrl": url, "commitOid": oid})

    def resolve(self, prefix: str | None, name: str, revision: str, path: str) -> None:
        repo = self.repo((prefix or "models/").rstrip("/"), name)
        if repo is None:
            return
        oid = repo.oid(revision)
        if oid is None:
            self.send(404, {"error": "revision"}, X_Error_Code="RevisionNotFound")
        elif path not in repo.commits[oid]:
            self.send(404, {}, X_Error_Code="EntryNotFound", X_Repo_Commit=oid)
        else:
            content = repo.commits[oid][path]
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "bytes=0-")
            start = int(part[1]) if part else 0
            end = int(part[2]) + 1 if part and part[2] else len(content)
            found = content[start:end]
            total = f"bytes {start}-{start + len(found) - 1}/{len(content)}"
            self.send(
                200 if found == content else 206,
                found,
                X_Repo_Commit=oid,
                ETag=etag,
                **({} if found == content else {"Content_Range": total}),
            )

    def tree(self, kind: str, name: str, revision: str, path: str | None) -> None:
        """Send the entries of a folder; with `recursive`, all files below it."""
        if (repo := self.repo(kind, name)) is None:
            return
        files = repo.commits[repo.oid(revision) or ""]
        root = f"{path}/" if path else ""
        below = {p: content for p, content in files.items() if p.startswith(root)}
        if self.query.get("recursive", ["false"])[0].lower() != "true":
            parts = {p: p.removeprefix(root).partition("/") for p in below}
            found = [self.entry(p, below[p]) for p, (_, deep, _) in parts.items() if not deep]
            folders = sorted({root + head for head, deep, _ in parts.values() if deep})
            found += [{"type": "directory", "path": folder, "oid": "0"} for folder in folders]
        else:
            found = [self.entry(p, content) for p, content in below.items()]
        self.send(*(200, found) if found else (404, {}))

    @staticmethod
    def entry(path: str, content: bytes) -> dict[str, Any]:
        return {"type": "file", "path": path, "size": len(content), "oid": "0"}

    def valid(self) -> None:
        self.send(200, {"errors": [], "warnings": []})


_KIND, _NAME = r"(models|spaces)", r"([\w.-]+/[\w.-]+)"
_ROUTES = [
    (r"GET /api/whoami-v2", _Handler.whoami),
    (r"POST /api/validate-yaml", _Handler.valid),
    (r"POST /api/repos/create", _Handler.create),
    (r"DELETE /api/repos/delete", _Handler.delete),
    (rf"GET /api/{_KIND}/{_NAME}/tree/([^/]+)(?:/(.+))?", _Handler.tree),
    (rf"GET /api/{_KIND}/{_NAME}(?:/revision/(.+))?", _Handler.info),
    (rf"POST /api/{_KIND}/{_NAME}/branch/(.+)", _Handler.branch),
    (rf"POST /api/{_KIND}/{_NAME}/preupload/(.+)", _Handler.preupload),
    (r"POST /(?:spaces/)?[\w.-]+/[\w.-]+\.git/info/lfs/objects/batch", _Handler.lfs_batch),
    (r"PUT /lfs/(\w+)", _Handler.lfs_put),
    (rf"POST /api/{_KIND}/{_NAME}/commit/(.+)", _Handler.commit),
    (rf"(?:HEAD|GET) /(spaces/)?{_NAME}/resolve/([^/]+|refs/pr/\d+)/(.+)", _Handler.resolve),
]
