"""What `facehub enrol`, `identify` and `gallery` do."""

from __future__ import annotations

import argparse
import functools
import os
from pathlib import Path

from facehub.cli.faces import check_folder, load_recognizer
from facehub.cli.output import (
    EXIT_CANNOT_TELL,
    EXIT_NO,
    EXIT_YES,
    failures_json,
    line,
    print_issues,
    print_json,
    progress,
    report_failures,
)
from facehub.enrolment import Portrait, add_enrolments, embed_portraits
from facehub.errors import FaceHubError
from facehub.gallery.base import Gallery
from facehub.gallery.memory import MemoryGallery
from facehub.identification import identify_faces
from facehub.io.sources import Picture, find_pictures, identity_of, is_hidden, open_source
from facehub.model.store import default_weights, fingerprint_of, made_by, weights_folder
from facehub.pipeline import FaceRecognizer
from facehub.results import IdentifiedFace, rounded
from facehub.select import FacePolicy


def run_enrol(args: argparse.Namespace) -> int:
    """`facehub enrol`."""
    portraits = _portraits(args)
    check_folder(args.gallery)
    recognizer = load_recognizer(args)
    _gallery_or_new(args.gallery, recognizer)  # refuses a bad one before the work, not after it
    policy: FacePolicy = "largest" if args.largest else "exactly_one"
    embedded = embed_portraits((portrait for _, portrait in portraits), recognizer, policy=policy)
    found = list(progress(embedded, len(portraits), args))
    gallery = _gallery_or_new(args.gallery, recognizer)  # others may have changed it meanwhile
    paths = [path for path, _ in portraits]
    done = list(zip(paths, add_enrolments(gallery, found), strict=True))
    failures = [(path, e.error) for path, e in done if e.error is not None]
    enrolled = [(path, e) for path, e in done if e.added]
    known = sum(e.known for _, e in done)
    if enrolled:
        gallery.save(args.gallery)
    if args.json:
        print_json(
            enrolled=[
                {"name": e.portrait.name, "photo": path, "face": e.face and e.face.to_dict()}
                for path, e in enrolled
            ],
            known=known,
            failed=failures_json(failures),
            people=len(gallery),
            templates=gallery.n_templates,
        )
    else:
        for path, e in enrolled:
            print_issues(path, e.face)
        print(
            line(
                f"{len(enrolled)} of {len(portraits)} photos enrolled"
                f"{f' ({known} were there)' if known else ''}; "
                f"{args.gallery} holds {len(gallery)} people, {gallery.n_templates} templates"
            )
        )
    return report_failures(failures)


def run_identify(args: argparse.Namespace) -> int:
    """`facehub identify`."""
    pictures = find_pictures(args.photos)
    recognizer = load_recognizer(args)
    gallery = recognizer.load_gallery(args.gallery)
    threshold = args.threshold
    if threshold is None:
        threshold = recognizer.spec.threshold_for(gallery.n_templates)
    found: list[tuple[str, list[IdentifiedFace]]] = []
    failures: list[tuple[str, FaceHubError]] = []
    results = recognizer.faces_many((p.read for p in pictures), search="thorough")
    for picture, probes in zip(pictures, progress(results, len(pictures), args), strict=True):
        if isinstance(probes, FaceHubError):
            failures.append((picture.path, probes))
        else:
            faces = identify_faces(probes, gallery, threshold=threshold, top_k=args.top)
            found.append((picture.path, faces))
    if args.json:
        print_json(
            threshold=rounded(threshold),
            photos=[
                {"photo": path, "faces": [face.to_dict() for face in faces]}
                for path, faces in found
            ],
            failed=failures_json(failures),
        )
    else:
        _print_identified(found, threshold)
    if failures:
        return report_failures(failures)
    if not any(faces for _, faces in found):
        return EXIT_CANNOT_TELL
    return EXIT_YES if any(f.name for _, faces in found for f in faces) else EXIT_NO


def _print_identified(
    found: list[tuple[str, list[IdentifiedFace]]], threshold: float | None
) -> None:
    for path, faces in found:
        print(line(f"{path}: {'' if faces else 'no face'}".rstrip()))
        for number, face in enumerate(faces, 1):
            best = ", ".join(f"{c.name} {c.similarity:.3f}" for c in face.candidates)
            print(f"  face {number}: {face.name or 'unknown'}  ({best or 'empty gallery'})")
    if any(faces for _, faces in found):
        limit = "uncalibrated weights: nobody is named" if threshold is None else f"{threshold:.3f}"
        print(f"threshold {limit}")


def run_gallery(args: argparse.Namespace) -> int:
    """`facehub gallery`: reads the weights' description, but not the weights."""
    folder = weights_folder(args.weights or default_weights())
    also = functools.partial(made_by, folder=folder)
    gallery = MemoryGallery.load(args.gallery, fingerprint=fingerprint_of(folder), also=also)
    if args.remove is not None:
        gallery.remove(args.remove)
    elif args.rename:
        gallery.rename(*args.rename)
    elif args.merge:
        gallery.examples(args.merge[1])  # refuses a person who is not there
        gallery.merge(*args.merge)
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


def _gallery_or_new(path: Path, recognizer: FaceRecognizer) -> MemoryGallery:
    if os.path.exists(path):  # unlike `Path.exists`, never raises
        return recognizer.load_gallery(path)
    return recognizer.empty_gallery()


def _portraits(args: argparse.Namespace) -> list[tuple[str, Portrait]]:
    """(path, portrait) of every photo: all of one person, or a folder for each person."""
    if args.name is not None:
        found = [(args.name, picture) for picture in find_pictures(args.photos)]
    else:
        found = [pair for path in args.photos for pair in _people(path)]
    return [
        (picture.path, Portrait(name, picture.read, Path(picture.name).name))
        for name, picture in found
    ]


def _people(path: Path) -> list[tuple[str, Picture]]:
    """(person, photo) from a folder with a sub-folder for each person, or from such a zip."""
    if path.suffix.lower() == ".zip" and os.path.isfile(path):
        source = open_source(path)
        return [
            (identity_of(name).rpartition("/")[2], Picture(source, name, str(path / name)))
            for name in source.names
        ]
    if not os.path.isdir(path):
        raise FaceHubError(f"{path} is not a folder or zip; use --name to say who a photo shows.")
    try:
        members = sorted(path.iterdir())
    except OSError as error:
        raise FaceHubError(f"{path} cannot be read: {error.strerror}.") from error
    persons = [m for m in members if os.path.isdir(m) and not is_hidden(m.name)]
    if not persons:
        raise FaceHubError(f"{path} has no sub-folder per person; or use --name.")
    return [(person.name, picture) for person in persons for picture in find_pictures([person])]
