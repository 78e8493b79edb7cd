"""Remote sources: the same calls on a local folder and on every remote file system."""

from __future__ import annotations

import functools
import io
import pickle
import re
import threading
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from facehub.errors import ArchiveError, ImageDecodeError
from facehub.io.containers import EMPTY_FOLDER, HIDDEN, NO_PICTURE
from facehub.io.remote import RemotePlace, is_address
from facehub.io.sources import find_pictures, find_sources, open_source
from tests.facehub.io.fake_s3 import FakeS3
from tests.local_hub import LocalHub, Repo

PEOPLE = {
    "Ada/1.jpg": b"ada one",
    "Ada/2.PNG": b"ada two",
    "Bob/deep/1.webp": b"bob",
    "Bob/empty.jpg": b"",
    "Bob/notes.txt": b"text",
    ".git/1.jpg": b"hidden",
}
NAMES = ["Ada/1.jpg", "Ada/2.PNG", "Bob/deep/1.webp", "Bob/empty.jpg"]


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in PEOPLE.items():
            archive.writestr(name, content)
    return buffer.getvalue()


FILES = {**{f"people/{name}": content for name, content in PEOPLE.items()}, "all.zip": zipped()}


def write(folder: Path) -> None:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


class Ranges(SimpleHTTPRequestHandler):
    """Answers range requests, which fsspec needs to seek in a file."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        part = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        path = Path(self.translate_path(self.path))
        if part is None or not path.is_file():
            super().do_GET()
            return
        content = path.read_bytes()
        found = content[int(part[1]) : int(part[2]) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {part[1]}-{part[2]}/{len(content)}")
        self.send_header("Content-Length", str(len(found)))
        self.end_headers()
        self.wfile.write(found)


@pytest.fixture
def memory() -> Iterator[str]:
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    for name, content in FILES.items():
        system.pipe(f"/bucket/{name}", content)
    yield "memory://bucket"
    system.store.clear()
    system.pseudo_dirs[:] = [""]


@pytest.fixture
def http(tmp_path: Path) -> Iterator[str]:
    pytest.importorskip("aiohttp", reason="http:// needs aiohttp")
    write(tmp_path)
    handler = functools.partial(Ranges, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    pytest.importorskip("s3fs", reason="s3:// needs s3fs")
    server = FakeS3("bucket", {f"photos/{name}": content for name, content in FILES.items()})
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    yield "s3://bucket/photos"
    server.close()


@pytest.fixture
def hf(hub: LocalHub) -> str:
    repo = hub.repos["models", "owner/photos"] = Repo(False, {})
    repo.commit("main", FILES)
    return "hf://owner/photos"


@pytest.fixture
def local(tmp_path: Path) -> str:
    write(tmp_path)
    return f"file://{tmp_path}"


@pytest.fixture(params=["memory", "local", "http", "s3", "hf"])
def root(request: pytest.FixtureRequest) -> str:
    """The address of a folder that holds `FILES`."""
    address: str = request.getfixturevalue(request.param)
    return address


@pytest.mark.parametrize("what", ["people", "all.zip"])
def test_remote_folder_and_zip_list_and_read_their_pictures(root: str, what: str) -> None:
    source = open_source(f"{root}/{what}")
    assert source.names == NAMES
    assert {name: source.read(name) for name in NAMES} == {name: PEOPLE[name] for name in NAMES}
    ignored = dict(source.ignored)
    assert ignored.pop("Bob/notes.txt") == NO_PICTURE
    assert set(ignored.values()) <= {HIDDEN}


def test_pictures_keep_their_remote_addresses(root: str) -> None:
    pictures = find_pictures([f"{root}/people/Ada", f"{root}/people/Bob/deep/1.webp"])
    ada = [f"{root}/people/Ada/1.jpg", f"{root}/people/Ada/2.PNG"]
    assert [p.path for p in pictures] == [*ada, f"{root}/people/Bob/deep/1.webp"]
    assert [p.read() for p in pictures] == [b"ada one", b"ada two", b"bob"]


def test_pickled_source_reads_the_same_pictures(root: str) -> None:
    """Unpickling opens the source again. Here this process does it, as `memory://` needs."""
    for what in ("people", "all.zip"):
        source = pickle.loads(pickle.dumps(open_source(f"{root}/{what}")))
        assert source.read("Ada/1.jpg") == b"ada one"


def test_missing_remote_files_are_refused(root: str) -> None:
    with pytest.raises(ArchiveError, match=r"nothing at|cannot be read|no JPEG"):
        find_sources([f"{root}/nothing"])
    (picture,) = find_pictures([f"{root}/people/Ada/9.jpg"])
    with pytest.raises(ImageDecodeError, match="cannot be read: "):
        picture.read()
    with pytest.raises(ArchiveError, match="cannot be read: "):
        open_source(f"{root}/nothing.zip")


@pytest.mark.parametrize("root", ["memory", "local", "s3"], indirect=True)
def test_remote_pattern_finds_matching_pictures(root: str) -> None:
    assert [p.read() for p in find_pictures([f"{root}/people/*/*.jpg"])] == [b"ada one", b""]
    with pytest.raises(ArchiveError, match="Nothing matches"):
        find_pictures([f"{root}/people/*.gif"])


def test_read_of_a_too_large_file_stops_one_byte_past_the_limit(
    memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facehub.io.remote.MAX_BYTES", 3)
    place = RemotePlace.at(f"{memory}/people")
    assert place.read("Ada/1.jpg") == place.read("Ada/1.jpg", size=7) == b"ada "


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nonsense://somewhere", "Protocol not known"),
        ("memory://", "no supported picture"),
    ],
)
def test_bad_address_is_refused(address: str, message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        find_pictures([address])


def test_missing_fsspec_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    with pytest.raises(ArchiveError, match=r"^s3:// needs a package: pip install s3fs\.$"):
        find_pictures(["s3://bucket/people"])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("s3://bucket", True),
        ("HF://datasets/owner/name", True),
        (Path("people"), False),
        ("C:\\people", False),
        ("C://people", False),
        ("people/a://b", False),
        ("", False),
    ],
)
def test_is_address(path: str | Path, expected: bool) -> None:
    assert is_address(path) is expected


def test_empty_local_folder_is_reported_as_ignored(tmp_path: Path) -> None:
    (tmp_path / "Ann").mkdir()
    (tmp_path / "1.jpg").write_bytes(b"picture")
    ((source, path),) = find_sources([tmp_path])
    assert (path, source.ignored) == (str(tmp_path), {"Ann/": EMPTY_FOLDER})
