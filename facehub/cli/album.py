"""What `facehub cluster` does."""

from __future__ import annotations

import argparse
import json

import numpy as np

from facehub.album import Album, AlbumFace, make_album
from facehub.cli.faces import check_folder, load_recognizer
from facehub.cli.output import failures_json, line, print_json, progress, report_failures
from facehub.clustering import GroupingRule
from facehub.errors import FaceHubError
from facehub.io.files import write_atomically
from facehub.io.sources import find_pictures


def run_cluster(args: argparse.Namespace) -> int:
    """`facehub cluster`."""
    suffix = args.output.suffix.lower()
    if suffix not in (".json", ".csv"):
        raise FaceHubError(f"{args.output} must end with .json or .csv.")
    found_pictures = {picture.path: picture for picture in find_pictures(args.photos)}
    pictures = list(found_pictures.values())  # each once: its faces are never of one group
    check_folder(args.output)
    recognizer = load_recognizer(args)
    spec = recognizer.spec
    GroupingRule.for_faces(spec, 0, threshold=args.threshold)  # refuses before the work
    faces: list[AlbumFace] = []
    embeddings: list[np.ndarray] = []
    failures: list[tuple[str, FaceHubError]] = []
    without = 0
    results = recognizer.faces_many((p.read for p in pictures), search="thorough")
    for picture, found in zip(pictures, progress(results, len(pictures), args), strict=True):
        if isinstance(found, FaceHubError):
            failures.append((picture.path, found))
            continue
        without += not found
        faces += [AlbumFace(picture.path, face.face.box) for face in found]
        embeddings += [face.embedding for face in found]
    rows = np.array(embeddings, np.float32).reshape(-1, spec.embedding_size)
    album = make_album(faces, rows, spec, threshold=args.threshold)
    if len(failures) < len(pictures):  # else a file that is there may be worth more
        text = album.to_csv() if suffix == ".csv" else json.dumps(album.to_dict(), indent=2) + "\n"
        try:  # a path may hold bytes that are no UTF-8
            write_atomically(args.output, text.encode(errors="surrogateescape"), private=True)
        except OSError as error:
            raise FaceHubError(f"{args.output} cannot be written: {error.strerror}.") from error
    _report(args, album, len(pictures), without, failures)
    return report_failures(failures)


def _report(
    args: argparse.Namespace,
    album: Album,
    photos: int,
    without: int,
    failures: list[tuple[str, FaceHubError]],
) -> None:
    several = len(album.groups) - album.n_singles
    if args.json:
        print_json(
            output=str(args.output),
            photos=photos,
            faces=album.n_faces,
            groups=several,
            single_faces=album.n_singles,
            without_face=without,
            threshold=album.to_dict()["threshold"],
            failed=failures_json(failures),
        )
        return
    print(f"{album.n_faces} faces from {photos} photos ({without} without a face)")
    print(f"{several} groups of several faces, {album.n_singles} single faces")
    print(line(f"{args.output}: says who is with whom; guard it like the photos"))
