"""What `facehub identify` does."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack

from facehub.bulk.stage import EmbeddedPhoto
from facehub.bulk.table import ERROR, GEOMETRY, PHOTO, Column, Row, open_table
from facehub.cli.bulk import embedded_photos
from facehub.cli.faces import check_folder, load_recognizer
from facehub.cli.output import (
    EXIT_CANNOT_TELL,
    EXIT_NO,
    EXIT_YES,
    counted,
    failures_json,
    line,
    print_issues,
    print_json,
    report_failures,
)
from facehub.cli.photos import Photos, find_photos
from facehub.errors import FaceHubError
from facehub.gallery.base import Gallery
from facehub.gallery.recall import APPROXIMATE
from facehub.identification import identify_faces
from facehub.model.calibration import BEYOND_MEASURED
from facehub.pipeline import FaceRecognizer
from facehub.results import Candidate, IdentifiedFace, QualityIssue, one_in, rounded

_COLUMNS = (
    *PHOTO,
    Column("name", "text"),
    Column("similarity", "number"),
    *GEOMETRY,
    Column("candidates", "candidates"),
    *ERROR,
)

Identified = tuple[EmbeddedPhoto, Sequence[IdentifiedFace]]


def run_identify(args: argparse.Namespace) -> int:
    """`facehub identify`."""
    if args.output is not None:
        check_folder(args.output)
    photos = find_photos(args.photos)
    photos.report_ignored(args)
    recognizer = load_recognizer(args)
    with recognizer.open_gallery(args.gallery, new=False) as gallery:
        return _identify(args, photos, recognizer, gallery)


def _identify(
    args: argparse.Namespace, photos: Photos, recognizer: FaceRecognizer, gallery: Gallery
) -> int:
    threshold = args.threshold
    if threshold is None:
        threshold = recognizer.spec.threshold_for(gallery.n_templates)
    failures = list(photos.failures)
    faces = named = done = 0

    def identified(embedded: Iterable[EmbeddedPhoto]) -> Iterator[Identified]:
        nonlocal faces, named, done
        for photo in embedded:
            found = identify_faces(
                photo.faces,
                gallery,
                threshold=threshold,
                top_k=args.top,
                calibration=recognizer.spec.calibration,
            )
            if photo.error is not None:
                failures.append((photo.path, photo.error))
            else:
                done += 1
            faces += len(found)
            named += sum(face.name is not None for face in found)
            yield photo, found

    with embedded_photos(
        photos.pictures, recognizer, args, search="thorough", output=args.output
    ) as (embedded, _):
        if args.output is None:
            results = [(p.path, found) for p, found in identified(embedded) if p.error is None]
        else:
            results = []
            _write(args, identified(embedded), lambda: done > 0)
    if args.json:
        listed = [{"photo": p, "faces": [face.to_dict() for face in found]} for p, found in results]
        output = {"photos": listed} if args.output is None else {"output": str(args.output)}
        print_json(
            threshold=rounded(threshold),
            exact=gallery.exact,
            **output,
            failed=failures_json(failures),
            ignored=photos.ignored_json(),
        )
    elif args.output is None:
        _print(results, threshold)
    else:
        where = counted(len(photos.pictures), "photo")
        print(line(f"{named} of {counted(faces, 'face')} in {where} named; {args.output}"))
    if faces and not gallery.exact and not args.json:
        print(APPROXIMATE)
    code = report_failures(failures, done=done, incomplete=photos.incomplete)
    if code != EXIT_YES:
        return code
    if not faces:
        return EXIT_CANNOT_TELL
    return EXIT_YES if named else EXIT_NO


def _write(
    args: argparse.Namespace,
    results: Iterable[Identified],
    worth_it: Callable[[], bool],
) -> None:
    with ExitStack() as stack:
        table = stack.enter_context(open_table(args.output, _COLUMNS))
        for photo, found in results:
            table.write(_rows(photo, found))
        if worth_it():  # else keep an existing file
            try:
                table.commit()
            except OSError as error:
                raise FaceHubError(f"{args.output} cannot be written: {error.strerror}.") from error


def _rows(photo: EmbeddedPhoto, found: Sequence[IdentifiedFace]) -> Iterator[Row]:
    """One row for each face; one row for a photo without a face or with an error."""
    if photo.error is not None:
        error = type(photo.error).__name__
        yield {"photo": photo.path, "error": error, "message": str(photo.error)}
    elif not found:
        yield {"photo": photo.path}
    for number, face in enumerate(found, 1):
        yield {"photo": photo.path, "face": number, **face.to_dict()}


def _print(found: Sequence[tuple[str, Sequence[IdentifiedFace]]], threshold: float | None) -> None:
    for path, faces in found:
        print(line(f"{path}: {'' if faces else 'no face'}".rstrip()))
        for number, face in enumerate(faces, 1):
            best = ", ".join(f"{c.name} {c.similarity:.3f}" for c in face.candidates)
            print(f"  face {number}: {face.name or 'unknown'}  ({best or 'empty gallery'})")
            if text := _odds(face.candidate):
                print(f"    {text}")
            print_issues(f"{path}, face {number}", face.probe, but=QualityIssue.SEVERAL_FACES)
    if any(faces for _, faces in found):
        limit = "uncalibrated weights: nobody is named" if threshold is None else f"{threshold:.3f}"
        print(f"threshold {limit}")


def _odds(candidate: Candidate | None) -> str:
    """How many strangers are as similar to somebody in the gallery; empty if unknown."""
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
