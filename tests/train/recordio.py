"""RecordIO bytes, as MXNet writes them."""

from __future__ import annotations

import struct

MAGIC = struct.pack("<I", 0xCED7230A)


def part(data: bytes, kind: int = 0) -> bytes:
    head = MAGIC + struct.pack("<I", kind << 29 | len(data))
    return head + data + b"\0" * (-len(data) % 4)


def record(number: int, label: list[float], payload: bytes) -> bytes:
    flag = 0 if len(label) == 1 else len(label)
    header = struct.pack("<IfQQ", flag, label[0] if flag == 0 else 0, number, 0)
    labels = b"" if flag == 0 else struct.pack(f"<{flag}f", *label)
    return header + labels + payload
