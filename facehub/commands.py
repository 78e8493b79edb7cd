"""What the `facehub` commands do; `facehub/cli.py` reads their arguments.

Imports that load PyTorch or MediaPipe stand inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from facehub.errors import FaceHubError
from facehub.output import (
    EXIT_CANNOT_TELL,
    EXIT_NO,
    EXIT_UNCERTAIN,
    EXIT_YES,
    face_json,
    failures_json,
    line,
    print_issues,
    print_json,
    progress,
    report_failures,
    rounded,
)


def run_verify(args: argparse.Namespace) -> int:
    from facehub.verification import Decision, verify

    result = verify(
        args.first,
        args.second,
        policy=args.faces,
        threshold=args.threshold,
        recognizer=_recognizer(args),
    )
    if args.json:
        print_json(
            decision=result.decision,
            similarity=rounded(result.similarity),
            threshold=result.threshold,
            uncertain_margin=result.uncertain_margin,
            reason=result.reason,
            first=face_json(result.first),
            second=face_json(result.second),
        )
    else:
        print(
            {
                Decision.SAME: "same person",
                Decision.UNCERTAIN: "uncertain",
                Decision.DIFFERENT: "different people",
                Decision.CANNOT_TELL: f"cannot tell: {result.reason}",
            }[result.decision]
        )
        if result.similarity is not None:
            print(f"similarity {result.similarity:.3f}, threshold {result.threshold:.3f}")
        for path, face in ((args.first, result.first), (args.second, result.second)):
            print_issues(path, face)
    return {
        Decision.SAME: EXIT_YES,
        Decision.DIFFERENT: EXIT_NO,
        Decision.UNCERTAIN: EXIT_UNCERTAIN,
        Decision.CANNOT_TELL: EXIT_CANNOT_TELL,
    }[result.decision]


def run_enrol(args: argparse.Namespace) -> int:
    from facehub.gallery import Gallery
    from facehub.identification import enrol
    from facehub.recognizer import FacePolicy

    photos = (
        [(args.name, path) for path in _photos(args.photos)] if args.name else _people(args.photos)
    )
    recognizer = _recognizer(args)
    if os.path.exists(args.gallery):  # unlike `Path.exists`, never raises
        gallery = Gallery.load(args.gallery, fingerprint=recognizer.fingerprint)
    else:
        gallery = recognizer.empty_gallery()
    policy: FacePolicy = "largest" if args.largest else "exactly_one"
    enrolled, failures = [], []
    for name, path in progress(photos, args):
        try:
            face = enrol(
                gallery, name, path, source=path.name, policy=policy, recognizer=recognizer
            )
        except FaceHubError as error:
            failures.append((path, error))
        else:
            enrolled.append((name, path, face))
    if enrolled:
        gallery.save(args.gallery)
    if args.json:
        print_json(
            enrolled=[{"name": n, "photo": str(p), "face": face_json(f)} for n, p, f in enrolled],
            failed=failures_json(failures),
            people=len(gallery),
            templates=gallery.n_templates,
        )
    else:
        for _, path, face in enrolled:
            print_issues(path, face)
        print(
            f"{len(enrolled)} of {len(photos)} photos enrolled; "
            f"{args.gallery} holds {len(gallery)} people, {gallery.n_templates} templates"
        )
    return report_failures(failures)


def run_identify(args: argparse.Namespace) -> int:
    from facehub.gallery import Gallery
    from facehub.identification import IdentifiedFace, identify

    photos = _photos(args.photos)
    recognizer = _recognizer(args)
    gallery = Gallery.load(args.gallery, fingerprint=recognizer.fingerprint)
    found: list[tuple[Path, list[IdentifiedFace]]] = []
    failures = []
    for path in progress(photos, args):
        try:
            faces = identify(
                path, gallery, threshold=args.threshold, top_k=args.top, recognizer=recognizer
            )
        except FaceHubError as error:
            failures.append((path, error))
        else:
            found.append((path, faces))
    if args.json:
        print_json(
            photos=[
                {
                    "photo": str(path),
                    "faces": [
                        {
                            "name": face.name,
                            "similarity": rounded(face.similarity),
                            **(face_json(face.probe) or {}),
                            "candidates": [
                                {
                                    "name": c.name,
                                    "similarity": rounded(c.similarity),
                                    "example": c.example,
                                    "source": c.source,
                                }
                                for c in face.candidates
                            ],
                        }
                        for face in faces
                    ],
                }
                for path, faces in found
            ],
            failed=failures_json(failures),
        )
    else:
        for path, faces in found:
            print(line(f"{path}: {'' if faces else 'no face'}".rstrip()))
            for number, face in enumerate(faces, 1):
                best = ", ".join(f"{c.name} {c.similarity:.3f}" for c in face.candidates)
                print(f"  face {number}: {face.name or 'unknown'}  ({best or 'empty gallery'})")
    if failures:
        return report_failures(failures)
    if not any(faces for _, faces in found):
        return EXIT_CANNOT_TELL
    return EXIT_YES if any(f.name for _, faces in found for f in faces) else EXIT_NO


def run_gallery(args: argparse.Namespace) -> int:
    from facehub.gallery import Gallery

    gallery = Gallery.load(args.gallery, fingerprint=_recognizer(args).fingerprint)
    if args.remove:
        gallery.remove(args.remove)
    elif args.rename:
        gallery.rename(*args.rename)
    elif args.merge:
        gallery.examples(args.merge[1])  # refuses a person who is not there
        gallery.rename(*args.merge, merge=True)
    if args.remove or args.rename or args.merge:
        gallery.save(args.gallery)
    people = {name: [e.source for e in gallery.examples(name)] for name in gallery}
    if args.json:
        print_json(people=people)
    else:
        for name, sources in people.items():
            print(f"{name}: {', '.join(sources)}")
        print(f"{len(gallery)} people, {gallery.n_templates} templates")
    return EXIT_YES


def run_embed(args: argparse.Namespace) -> int:
    import numpy as np

    from facehub.files import write_atomically

    photos = _photos(args.photos)
    recognizer = _recognizer(args)
    names: list[str] = []
    boxes: list[tuple[float, float, float, float]] = []
    embeddings: list[np.ndarray] = []
    failures: list[tuple[Path, FaceHubError]] = []
    without = 0
    for path in progress(photos, args):
        try:
            faces = recognizer.faces(path, search="thorough")
        except FaceHubError as error:
            failures.append((path, error))
            continue
        without += not faces
        for face in faces:
            names.append(str(path))
            boxes.append(face.face.box)
            embeddings.append(face.embedding)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        names=np.array(names, dtype=str),
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        embeddings=np.array(embeddings, np.float32).reshape(-1, recognizer.config.embedding_size),
        fingerprint=np.array(recognizer.fingerprint),
    )
    try:
        write_atomically(args.output, buffer.getvalue(), private=True)
    except OSError as error:
        raise FaceHubError(f"{args.output} cannot be written: {error.strerror}.") from error
    if args.json:
        print_json(
            output=str(args.output),
            photos=len(photos),
            faces=len(names),
            without_face=without,
            failed=failures_json(failures),
        )
    else:
        print(f"{len(names)} faces from {len(photos)} photos ({without} without a face)")
        print(f"{args.output}: embeddings are biometric data; guard the file like the photos")
    return report_failures(failures)


def run_info(args: argparse.Namespace) -> int:
    import platform

    import mediapipe

    import facehub
    from facehub.weights import default_weights

    recognizer = _recognizer(args)
    config, calibration = recognizer.config, recognizer.config.calibration
    facts: dict[str, Any] = {
        "facehub": facehub.__version__,
        "weights": args.weights or default_weights(),
        "fingerprint": recognizer.fingerprint,
        "encoder": f"{config.architecture}, {config.stem} stem, {config.embedding_size}-d",
        "crop": f"{config.template.width} x {config.template.height}",
        "threshold": config.threshold,
        "uncertain from": round(config.threshold - config.uncertain_margin, 6),
    }
    if calibration is not None:
        facts |= {
            "FMR": calibration.fmr,
            "FNMR": calibration.fnmr,
            "impostor pairs": calibration.impostor_pairs,
            "calibrated on": calibration.dataset,
        }
    facts |= {
        "engine": recognizer.engine.description,
        "mediapipe": mediapipe.__version__,
        "python": platform.python_version(),
    }
    if args.json:
        print_json(**facts)
    else:
        width = max(map(len, facts))
        for key, value in facts.items():
            print(f"{key:<{width}}  {value}")
    return EXIT_YES


# --- what the commands share ----------------------------------------------------------------------


def _recognizer(args: argparse.Namespace) -> Any:
    from facehub.recognizer import FaceRecognizer

    return FaceRecognizer.from_pretrained(args.weights)


def _photos(paths: Iterable[Path]) -> list[Path]:
    from facehub.images import list_images

    photos = []
    for path in paths:
        found = list_images(path) if os.path.isdir(path) else [path]
        if not found:
            raise FaceHubError(f"{path} holds no JPEG, PNG or WebP picture.")
        photos += found
    return photos


def _people(folders: Iterable[Path]) -> list[tuple[str, Path]]:
    """(name, photo) from folders with one sub-folder per person."""
    people = []
    for folder in folders:
        if not os.path.isdir(folder):
            raise FaceHubError(f"{folder} is not a folder; use --name to say who a photo shows.")
        persons = [p for p in sorted(folder.iterdir()) if p.is_dir() and p.name[0] != "."]
        if not persons:
            raise FaceHubError(f"{folder} has no sub-folder per person; or use --name.")
        people += [(person.name, photo) for person in persons for photo in _photos([person])]
    return people
