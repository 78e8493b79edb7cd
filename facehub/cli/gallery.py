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
from facehub.gallery.address import FILE, check_changeable, open_gallery
from facehub.gallery.base import Gallery
from facehub.gallery.copying import compare_galleries, copy_gallery
from facehub.gallery.file import write_gallery
from facehub.identification import identify_faces
from facehub.io.sources import Picture, find_pictures, identity_of, is_hidden, open_source
from facehub.model.calibration import BEYOND_MEASURED
from facehub.model.store import (
    default_weights,
    fingerprint_of,
    made_by,
    read_spec,
    weights_folder,
)
from facehub.pipeline import FaceRecognizer
from facehub.results import Candidate, IdentifiedFace, one_in, rounded
from facehub.select import FacePolicy


def run_enrol(args: argparse.Namespace) -> int:
    """`facehub enrol`."""
    portraits = _portraits(args)
    check_changeable(args.gallery)
    recognizer = load_recognizer(args)
    with recognizer.open_gallery(args.gallery) as gallery:  # refuses a bad one before the work
        return _enrol(args, portraits, recognizer, gallery)


def _enrol(
    args: argparse.Namespace,
    portraits: list[tuple[str, Portrait]],
    recognizer: FaceRecognizer,
    gallery: Gallery,
) -> int:
    policy: FacePolicy = "largest" if args.largest else "exactly_one"
    embedded = embed_portraits((portrait for _, portrait in portraits), recognizer, policy=policy)
    found = progress(embedded, len(portraits), args)  # each one is kept as soon as it is found
    paths = [path for path, _ in portraits]
    done = list(zip(paths, add_enrolments(gallery, found), strict=True))
    failures = [(path, e.error) for path, e in done if e.error is not None]
    enrolled = [(path, e) for path, e in done if e.added]
    known = sum(e.known for _, e in done)
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
    with recognizer.open_gallery(args.gallery, new=False) as gallery:
        return _identify(args, pictures, recognizer, gallery)


def _identify(
    args: argparse.Namespace,
    pictures: list[Picture],
    recognizer: FaceRecognizer,
    gallery: Gallery,
) -> int:
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
            faces = identify_faces(
                probes,
                gallery,
                threshold=threshold,
                top_k=args.top,
                calibration=recognizer.spec.calibration,
            )
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
            if text := _odds(face.candidate):
                print(f"    {text}")
    if any(faces for _, faces in found):
        limit = "uncalibrated weights: nobody is named" if threshold is None else f"{threshold:.3f}"
        print(f"threshold {limit}")


def _odds(candidate: Candidate | None) -> str:
    """How many strangers are as similar to somebody in the gallery; empty where it is not known."""
    if candidate is None or candidate.fpir is None:
        return ""
    n = one_in(candidate.fpir)
    who = (
        "most strangers reach"
        if candidate.fpir > 0.5
        else f"at most about 1 in {n} strangers reaches"
    )
    beyond = f" ({BEYOND_MEASURED})" if candidate.extrapolated else ""
    return f"{who} {candidate.similarity:.3f} with somebody in this gallery{beyond}"


def run_list(args: argparse.Namespace) -> int:
    """`facehub gallery list`."""
    with _opened(args, args.gallery) as gallery:
        _print_people(gallery, args)
    return EXIT_YES


def run_change(args: argparse.Namespace) -> int:
    """`facehub gallery remove`, `rename` and `merge`."""
    check_changeable(args.gallery)
    with _opened(args, args.gallery) as gallery:
        args.change(gallery, args)
        _print_people(gallery, args)
    return EXIT_YES


def run_purge(args: argparse.Namespace) -> int:
    """`facehub gallery purge`."""
    check_changeable(args.gallery)
    with _opened(args, args.gallery) as gallery:
        gallery.purge()
        if args.json:
            print_json(people=len(gallery), templates=gallery.n_templates)
        else:
            print(line(f"{args.gallery} keeps no trace of what was removed"))
    return EXIT_YES


def run_copy(args: argparse.Namespace) -> int:
    """`facehub gallery copy`: the digests on both sides are compared at the end."""
    with _opened(args, args.source) as source:
        if Path(args.target).suffix.lower() == FILE:
            check_folder(Path(args.target))
            write_gallery(args.target, source.fingerprint, source.size, source.export())
        else:
            with _opened(args, args.target, new=True) as target:
                copy_gallery(source, target)
        with _opened(args, args.target) as target:
            count = compare_galleries(source, target)
            if args.json:
                print_json(people=len(target), templates=target.n_templates, compared=count)
            else:
                print(
                    line(
                        f"{args.target} holds {len(target)} people, {target.n_templates} "
                        f"templates; the {count} of {args.source} are among them, bit for bit"
                    )
                )
    return EXIT_YES


def _print_people(gallery: Gallery, args: argparse.Namespace) -> None:
    if args.json:
        print_json(people={name: [e.source for e in gallery.examples(name)] for name in gallery})
        return
    for name in gallery:
        print(line(f"{name}: {', '.join(e.source for e in gallery.examples(name))}"))
    print(f"{len(gallery)} people, {gallery.n_templates} templates")


def _opened(args: argparse.Namespace, address: str, *, new: bool = False) -> Gallery:
    """Reads the weights' description, but not the weights."""
    folder = weights_folder(args.weights or default_weights())
    size = read_spec(folder).embedding_size
    also = functools.partial(made_by, folder=folder)
    return open_gallery(address, fingerprint_of(folder), size, new=new, also=also)


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
