"""What `facehub cluster` does."""

from __future__ import annotations

import argparse
import json

import numpy as np

from facehub.album import Album, AlbumFace, make_album
from facehub.cli.bulk import embedded_photos
from facehub.cli.faces import check_folder, load_recognizer
from facehub.cli.output import counted, failures_json, line, print_json, report_failures
from facehub.cli.photos import Photos, find_photos
from facehub.clustering import GroupingRule
from facehub.errors import FaceHubError
from facehub.io.files import write_atomically


def run_cluster(args: argparse.Namespace) -> int:
    """`facehub cluster`."""
    photos = find_photos(args.photos)
    photos.report_ignored(args)
    found_pictures = {picture.path: picture for picture in photos.pictures}
    pictures = list(found_pictures.values())  # each once: two faces of one photo are two people
    check_folder(args.output)
    recognizer = load_recognizer(args)
    spec = recognizer.spec
    GroupingRule.for_faces(spec, 0, threshold=args.threshold)  # refuses before the work
    faces: list[AlbumFace] = []
    embeddings: list[np.ndarray] = []
    failures = list(photos.failures)
    without = done = 0
    with embedded_photos(pictures, recognizer, args, search="thorough", output=args.output) as (
        embedded,
        _,
    ):
        for photo in embedded:
            if photo.error is not None:
                failures.append((photo.path, photo.error))
                continue
            done += 1
            without += not photo.faces
            faces += [AlbumFace(photo.path, face.face.box) for face in photo.faces]
            embeddings += [face.embedding for face in photo.faces]
        rows = np.array(embeddings, np.float32).reshape(-1, spec.embedding_size)
        album = make_album(faces, rows, spec, threshold=args.threshold)
        _write(args, album, done > 0)
    _report(args, album, len(pictures), without, failures, photos)
    if done and not args.json:
        print(line(f"{args.output}: shows who appears together; guard it like the photos"))
    return report_failures(failures, done=done, incomplete=photos.incomplete)


def _write(args: argparse.Namespace, album: Album, usable: bool) -> None:
    if not usable:  # keep an existing file
        return
    is_csv = args.output.suffix.lower() == ".csv"
    text = album.to_csv() if is_csv else json.dumps(album.to_dict(), indent=2) + "\n"
    try:  # a path may hold bytes that are not UTF-8
        write_atomically(args.output, text.encode(errors="surrogateescape"), private=True)
    except OSError as error:
        raise FaceHubError(f"{args.output} cannot be written: {error.strerror}.") from error


def _report(
    args: argparse.Namespace,
    album: Album,
    n_photos: int,
    without: int,
    failures: list[tuple[str, FaceHubError]],
    photos: Photos,
) -> None:
    several = len(album.groups) - album.n_singles
    if args.json:
        print_json(
            output=str(args.output),
            photos=n_photos,
            faces=album.n_faces,
            groups=several,
            single_faces=album.n_singles,
            without_face=without,
            threshold=album.to_dict()["threshold"],
            failed=failures_json(failures),
            ignored=photos.ignored_json(),
        )
        return
    photos_read = counted(n_photos, "photo")
    print(f"{counted(album.n_faces, 'face')} from {photos_read} ({without} without a face)")
    groups = counted(several, "group")
    print(f"{groups} of several faces, {counted(album.n_singles, 'single face')}")
