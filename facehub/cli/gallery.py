"""What `facehub enrol`, `identify` and `gallery` do; see `facehub/cli/faces.py` for the others."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from facehub.cli.faces import check_folder, find_photos, load_recognizer
from facehub.cli.output import (
    EXIT_CANNOT_TELL,
    EXIT_NO,
    EXIT_YES,
    face_json,
    failures_json,
    identified_json,
    line,
    print_issues,
    print_json,
    progress,
    report_failures,
    rounded,
)
from facehub.errors import FaceHubError


def run_enrol(args: argparse.Namespace) -> int:
    from facehub.gallery.memory import clean_name
    from facehub.pipeline import EmbeddedFace, FacePolicy

    photos = (
        _people(args.photos)
        if args.name is None
        else [(args.name, path) for path in find_photos(args.photos)]
    )
    check_folder(args.gallery)
    recognizer = load_recognizer(args)
    _gallery_or_new(args.gallery, recognizer)  # refuses a bad one before the work, not after it
    policy: FacePolicy = "largest" if args.largest else "exactly_one"
    found: list[tuple[str, Path, EmbeddedFace]] = []
    failures: list[tuple[Path, FaceHubError]] = []
    for name, path in progress(photos, args):
        try:
            found.append((clean_name(name), path, recognizer.face(path, policy=policy)))
        except FaceHubError as error:
            failures.append((path, error))
    gallery = _gallery_or_new(args.gallery, recognizer)  # others may have changed it meanwhile
    enrolled = [f for f in found if not _has(gallery, f[0], f[2].embedding)]
    for name, path, face in enrolled:
        gallery.add(name, face.embedding, path.name)
    if enrolled:
        gallery.save(args.gallery)
    if args.json:
        print_json(
            enrolled=[{"name": n, "photo": str(p), "face": face_json(f)} for n, p, f in enrolled],
            known=len(found) - len(enrolled),
            failed=failures_json(failures),
            people=len(gallery),
            templates=gallery.n_templates,
        )
    else:
        for _, path, face in enrolled:
            print_issues(path, face)
        known = f" ({len(found) - len(enrolled)} were there)" if len(found) > len(enrolled) else ""
        print(
            line(
                f"{len(enrolled)} of {len(photos)} photos enrolled{known}; "
                f"{args.gallery} holds {len(gallery)} people, {gallery.n_templates} templates"
            )
        )
    return report_failures(failures)


def run_identify(args: argparse.Namespace) -> int:
    from facehub.gallery.memory import Gallery
    from facehub.identification import IdentifiedFace, identify

    photos = find_photos(args.photos)
    recognizer = load_recognizer(args)
    gallery = Gallery.load(args.gallery, fingerprint=recognizer.fingerprint)
    threshold = args.threshold
    if threshold is None:
        threshold = recognizer.spec.threshold_for(gallery.n_templates)
    found: list[tuple[Path, list[IdentifiedFace]]] = []
    failures = []
    for path in progress(photos, args):
        try:
            faces = identify(
                path, gallery, threshold=threshold, top_k=args.top, recognizer=recognizer
            )
        except FaceHubError as error:
            failures.append((path, error))
        else:
            found.append((path, faces))
    if args.json:
        print_json(
            threshold=rounded(threshold),
            photos=[identified_json(path, faces) for path, faces in found],
            failed=failures_json(failures),
        )
    else:
        for path, faces in found:
            print(line(f"{path}: {'' if faces else 'no face'}".rstrip()))
            for number, face in enumerate(faces, 1):
                best = ", ".join(f"{c.name} {c.similarity:.3f}" for c in face.candidates)
                print(f"  face {number}: {face.name or 'unknown'}  ({best or 'empty gallery'})")
        if any(faces for _, faces in found):
            print(f"threshold {threshold:.3f}")
    if failures:
        return report_failures(failures)
    if not any(faces for _, faces in found):
        return EXIT_CANNOT_TELL
    return EXIT_YES if any(f.name for _, faces in found for f in faces) else EXIT_NO


def run_gallery(args: argparse.Namespace) -> int:
    from facehub.gallery.memory import Gallery

    gallery = Gallery.load(args.gallery, fingerprint=load_recognizer(args).fingerprint)
    if args.remove is not None:
        gallery.remove(args.remove)
    elif args.rename:
        gallery.rename(*args.rename)
    elif args.merge:
        gallery.examples(args.merge[1])  # refuses a person who is not there
        gallery.rename(*args.merge, merge=True)
    if args.remove is not None or args.rename or args.merge:
        gallery.save(args.gallery)
    people = {name: [e.source for e in gallery.examples(name)] for name in gallery}
    if args.json:
        print_json(people=people)
    else:
        for name, sources in people.items():
            print(f"{name}: {', '.join(sources)}")
        print(f"{len(gallery)} people, {gallery.n_templates} templates")
    return EXIT_YES


def _gallery_or_new(path: Path, recognizer: Any) -> Any:
    from facehub.gallery.memory import Gallery

    if os.path.exists(path):  # unlike `Path.exists`, never raises
        return Gallery.load(path, fingerprint=recognizer.fingerprint)
    return recognizer.empty_gallery()


def _has(gallery: Any, name: str, template: Any) -> bool:
    """Whether the person has this very template: the same photo was enrolled before."""
    known = gallery.examples(name) if name in gallery else ()
    return any(float(example.template @ template) > 0.9999 for example in known)


def _people(folders: Iterable[Path]) -> list[tuple[str, Path]]:
    """(name, photo) from folders with one sub-folder per person."""
    people = []
    for folder in folders:
        if not os.path.isdir(folder):
            raise FaceHubError(f"{folder} is not a folder; use --name to say who a photo shows.")
        try:
            members = sorted(folder.iterdir())
        except OSError as error:
            raise FaceHubError(f"{folder} cannot be read: {error.strerror}.") from error
        persons = [p for p in members if os.path.isdir(p) and p.name[0] != "."]
        if not persons:
            raise FaceHubError(f"{folder} has no sub-folder per person; or use --name.")
        people += [(person.name, photo) for person in persons for photo in find_photos([person])]
    return people
