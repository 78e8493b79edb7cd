"""What the `facehub` commands print, and their exit codes."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from facehub.errors import FaceHubError

EXIT_YES, EXIT_NO, EXIT_UNCERTAIN, EXIT_CANNOT_TELL, EXIT_BAD_INPUT = 0, 1, 3, 4, 5


def progress(items: Sequence[Any], args: argparse.Namespace) -> Iterable[Any]:
    from tqdm import tqdm

    hidden = args.json or len(items) < 2 or not sys.stderr.isatty()
    return tqdm(items, unit="photo", leave=False, disable=hidden)


def face_json(face: Any) -> dict[str, Any] | None:
    if face is None:
        return None
    return {
        "box": [round(value, 1) for value in face.face.box],
        "inter_eye": round(face.face.inter_eye, 1),
        "yaw": round(face.face.yaw, 1),
        "pitch": round(face.face.pitch, 1),
        "roll": round(face.face.roll, 1),
        "issues": list(face.issues),
    }


def identified_json(path: Path, faces: Sequence[Any]) -> dict[str, Any]:
    return {
        "photo": str(path),
        "faces": [
            {
                "name": face.name,
                "similarity": rounded(face.similarity),
                **(face_json(face.probe) or {}),
                "candidates": [
                    {**dataclasses.asdict(c), "similarity": rounded(c.similarity)}
                    for c in face.candidates
                ],
            }
            for face in faces
        ],
    }


def failures_json(failures: Sequence[tuple[Path, FaceHubError]]) -> list[dict[str, str]]:
    return [
        {"photo": str(path), "error": type(error).__name__, "message": str(error)}
        for path, error in failures
    ]


def report_failures(failures: Sequence[tuple[Path, FaceHubError]]) -> int:
    for path, error in failures:
        print(line(f"error: {path}: {error}"), file=sys.stderr)
    return EXIT_BAD_INPUT if failures else EXIT_YES


def print_issues(path: Path, face: Any) -> None:
    from facehub.quality import ADVICE

    for issue in face.issues if face else ():
        print(line(f"warning: {path}: {ADVICE[issue]}"), file=sys.stderr)


def line(text: str) -> str:
    """One line for a terminal: a file's name may hold line breaks and escape sequences.

    Bytes of a name that are no UTF-8 (surrogates) are left to the stream's error handler.
    """
    return "".join(
        c if c.isprintable() or "\udc80" <= c <= "\udcff" else "\N{REPLACEMENT CHARACTER}"
        for c in text
    )


def print_json(**values: Any) -> None:
    print(json.dumps(values, indent=2))


def rounded(similarity: float | None) -> float | None:
    return None if similarity is None else round(similarity, 4)
