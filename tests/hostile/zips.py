"""Cases of zips for the enrolment of the Identify tab."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile

from tests.hostile.broken import cut
from tests.hostile.cases import ZipCase
from tests.hostile.sound import jpeg


def _symlink(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return info, target.encode()


def zip_of(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    """A zip; names of members may repeat, or lead out of the folder."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", compresslevel=1) as archive:
        warnings.simplefilter("ignore")  # about repeated names
        for name, content in members:
            info = zipfile.ZipInfo(name) if isinstance(name, str) else name
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def good(name: str = "Ada/1.jpg") -> tuple[str, bytes]:
    return name, jpeg()


def _patched(archive: bytes, name: str, offset: tuple[int, int], value: bytes) -> bytes:
    """Change a member's local header and its entry in the directory, at one offset in each."""
    changed = bytearray(archive)
    local = changed.index(name.encode()) - 30
    entry = changed.rindex(name.encode()) - 46
    for start in (local + offset[0], entry + offset[1]):
        changed[start : start + len(value)] = value
    return bytes(changed)


def _encrypted() -> bytes:
    archive = zip_of(good(), ("Bob/1.jpg", jpeg()), good("Eve/1.jpg"))
    return _patched(archive, "Bob/1.jpg", (6, 8), b"\x01\0")


def _damaged_member() -> bytes:
    """A zip whose middle member holds invalid deflated data."""
    archive = bytearray(zip_of(good(), ("Bob/1.jpg", jpeg()), good("Eve/1.jpg")))
    start = archive.index(b"Bob/1.jpg") + len("Bob/1.jpg")
    archive[start : start + 64] = b"\xff" * 64
    return bytes(archive)


def _wrong_checksum() -> bytes:
    archive = zip_of(good(), ("Bob/1.jpg", jpeg()), good("Eve/1.jpg"))
    return _patched(archive, "Bob/1.jpg", (14, 16), b"\1\2\3\4")


def _unknown_method() -> bytes:
    archive = zip_of(good(), ("Bob/1.jpg", jpeg()), good("Eve/1.jpg"))
    return _patched(archive, "Bob/1.jpg", (8, 10), struct.pack("<H", 99))


def _lying_size() -> bytes:
    """A zip whose middle member of 64 MB of zeros claims 1,000 bytes."""
    archive = zip_of(good(), ("Bob/1.jpg", bytes(2**26)), good("Eve/1.jpg"))
    return _patched(archive, "Bob/1.jpg", (22, 24), struct.pack("<I", 1000))


def _overlapping() -> bytes:
    """A zip whose second entry points at the data of the first member."""
    archive = bytearray(zip_of(good("Ada/1.jpg"), good("Bob/1.jpg")))
    entry = archive.rindex(b"Bob/1.jpg") - 46
    archive[entry + 42 : entry + 46] = struct.pack("<I", 0)
    return bytes(archive)


ZIPS = [
    ZipCase("sound", lambda: zip_of(good(), good("Bob/1.jpg")), ("Ada", "Bob")),
    ZipCase("empty", lambda: zip_of(), (), ("holds no supported picture",)),
    ZipCase("no bytes", bytes, (), ("cannot be read",)),
    ZipCase("text", lambda: b"no zip", (), ("cannot be read",)),
    ZipCase("a picture", jpeg, (), ("cannot be read",)),
    ZipCase("cut", lambda: cut(zip_of(good(), good("Bob/1.jpg")), 0.7), (), ("cannot be read",)),
    ZipCase("slip", lambda: zip_of(good(), ("../../../evil.jpg", jpeg())), ("Ada",)),
    ZipCase("slip inside", lambda: zip_of(good(), ("Bob/../../evil.jpg", jpeg())), ("Ada",)),
    ZipCase("absolute", lambda: zip_of(good(), ("/tmp/evil.jpg", jpeg())), ("tmp", "Ada")),
    ZipCase("backslashes", lambda: zip_of(good(), ("..\\..\\evil.jpg", jpeg())), ("Ada",)),
    ZipCase(
        "bomb of 256 MB",
        lambda: zip_of(good(), ("Bob/1.jpg", bytes(2**28)), good("Eve/1.jpg")),
        ("Ada", "Eve"),
        ("Bob/1.jpg: This member of the zip is too large",),
    ),
    ZipCase(
        "bomb of 4 x 31 MB",
        lambda: zip_of(
            good(), *((f"Bob/{n}.jpg", bytes(31 * 2**20)) for n in range(4)), good("Eve/1.jpg")
        ),
        ("Ada", "Eve"),
        ("Bob/0.jpg: This is not a picture", "Bob/3.jpg: This is not a picture"),
        n_failures=4,
    ),
    ZipCase("lying size", _lying_size, ("Ada", "Eve"), ("Bob/1.jpg",)),
    ZipCase("encrypted member", _encrypted, ("Ada", "Eve"), ("Bob/1.jpg",)),
    ZipCase("damaged member", _damaged_member, ("Ada", "Eve"), ("Bob/1.jpg",)),
    ZipCase("wrong checksum", _wrong_checksum, ("Ada", "Eve"), ("Bob/1.jpg",)),
    ZipCase("unknown method", _unknown_method, ("Ada", "Eve"), ("Bob/1.jpg",)),
    ZipCase("overlapping", _overlapping, ("Ada",), ("Bob/1.jpg",)),
    ZipCase("nested", lambda: zip_of(good(), ("in.zip", zip_of(good()))), ("Ada",)),
    ZipCase(
        "nested as jpg",
        lambda: zip_of(("in.jpg", zip_of(good()))),
        (),
        ("in.jpg: This is not a picture",),
    ),
    ZipCase(
        "1000 members",
        lambda: zip_of(good(), *((f"Bob/{n}.jpg", b"x") for n in range(998)), good("Eve/1.jpg")),
        ("Ada",),
        ("Bob/299.jpg: This is not a picture", "1000_members.zip: "),
        n_failures=301,
    ),
    ZipCase(
        "hidden members",
        lambda: zip_of(
            good(), (".hidden/1.jpg", b"x"), ("__MACOSX/Ada/._1.jpg", b"x"), ("Ada/.2.jpg", b"x")
        ),
        ("Ada",),
    ),
    ZipCase(
        "symlink member",
        lambda: zip_of(good(), _symlink("Bob/1.jpg", "/etc/passwd")),
        ("Ada",),
        ("Bob/1.jpg: This is not a picture",),
    ),
    ZipCase(
        "folder named jpg",
        lambda: zip_of(good(), ("folder.jpg/", b"")),
        ("Ada",),
        ("1 left out, an empty folder: folder.jpg",),
        n_failures=0,
    ),
    ZipCase("unicode", lambda: zip_of(good("Пётр 陳/🙂.jpg")), ("Пётр 陳",)),
    ZipCase(
        "one name twice",
        lambda: zip_of(good(), ("Ada/1.jpg", b"x")),
        ("Ada",),
        ("another file in the zip has the same name",),
        0,
    ),
    ZipCase(
        "html in names",
        lambda: zip_of(
            good("<img src=x onerror='window.hacked=1'>/1.jpg"),
            ("<b>/<img src=x onerror='window.hacked=1'>.jpg", b"x"),
        ),
        ("<img src=x onerror='window.hacked=1'>",),
        ("<b>/<img",),
    ),
    ZipCase("control characters", lambda: zip_of(good("A\nd\x1ba\u202e/1\r.jpg")), ("A d a",)),
    ZipCase("name too long", lambda: zip_of(good("n" * 101 + "/1.jpg")), (), ("at most 100",)),
    ZipCase("deep", lambda: zip_of(good("x/" * 5000 + "Ada/1.jpg")), ("Ada",)),
    ZipCase(
        "name of dots", lambda: zip_of(good("Ada/....jpg")), (), ("holds no supported picture",)
    ),
]
