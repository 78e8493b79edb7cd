"""What `facehub enrol` and `gallery` do."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import itertools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from facehub.bulk.stage import EmbeddedPhoto
from facehub.cli.bulk import embedded_photos
from facehub.cli.faces import check_folder, load_recognizer
from facehub.cli.output import (
    EXIT_BAD_INPUT,
    EXIT_YES,
    counted,
    failures_json,
    line,
    print_issues,
    print_json,
    report_failures,
)
from facehub.cli.photos import Photos, find_people, find_photos
from facehub.enrolment import Enrolment, Portrait, add_enrolments, name_error
from facehub.errors import GalleryError
from facehub.gallery.address import FILE, check_address, check_changeable, open_gallery
from facehub.gallery.base import Gallery
from facehub.gallery.check import SIMILARITY, check_integrity
from facehub.gallery.copying import compare_galleries, copy_gallery
from facehub.gallery.file import write_gallery
from facehub.gallery.recall import Indexed, Recall, measure_recall
from facehub.io.remote import is_address
from facehub.model.store import (
    default_weights,
    fingerprint_of,
    has_fingerprint_v1,
    read_spec,
    weights_folder,
)
from facehub.pipeline import FaceRecognizer
from facehub.select import FacePolicy

_BATCH = 256  # templates added in one transaction


def run_enrol(args: argparse.Namespace) -> int:
    """`facehub enrol`."""
    named = args.name is not None
    photos = find_photos(args.photos, args.name) if named else find_people(args.photos)
    photos.report_ignored(args)
    check_changeable(args.gallery)
    recognizer = load_recognizer(args)
    with recognizer.open_gallery(args.gallery) as gallery:  # refuses a bad gallery before the work
        return _enrol(args, photos, recognizer, gallery)


def _enrol(
    args: argparse.Namespace, photos: Photos, recognizer: FaceRecognizer, gallery: Gallery
) -> int:
    policy: FacePolicy = "largest" if args.largest else "exactly_one"
    portraits = [
        Portrait(name, picture.read, Path(picture.name).name)
        for name, picture in zip(photos.names, photos.pictures, strict=True)
    ]
    usable = [
        picture
        for portrait, picture in zip(portraits, photos.pictures, strict=True)
        if name_error(portrait) is None  # a photo that cannot be enrolled is not searched
    ]
    output = None if is_address(args.gallery) else Path(args.gallery)
    with embedded_photos(usable, recognizer, args, search="auto", policy=policy, output=output) as (
        embedded,
        finished,
    ):
        found = _enrolments(portraits, embedded)
        enrolments: list[Enrolment] = []
        if finished:  # one transaction for many, since each waits for the disk
            while batch := list(itertools.islice(found, _BATCH)):
                with gallery.transaction():
                    enrolments += add_enrolments(gallery, batch, reject_issues=args.reject)
        else:  # each one is kept as soon as it is found
            enrolments += add_enrolments(gallery, found, reject_issues=args.reject)
    done = [(p.path, e) for p, e in zip(photos.pictures, enrolments, strict=True)]
    failures = photos.failures + [(path, e.error) for path, e in done if e.error is not None]
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
            ignored=photos.ignored_json(),
            people=len(gallery),
            templates=gallery.n_templates,
        )
    else:
        for path, e in enrolled:
            print_issues(path, e.face)
        print(
            line(
                f"{len(enrolled)} of {counted(len(done), 'photo')} enrolled"
                f"{f' ({known} were there)' if known else ''}; "
                f"{args.gallery} holds {_size(gallery)}"
            )
        )
    return report_failures(failures, done=len(enrolled) + known, incomplete=photos.incomplete)


def _enrolments(
    portraits: Iterable[Portrait], embedded: Iterator[EmbeddedPhoto]
) -> Iterator[Enrolment]:
    for portrait in portraits:
        error = name_error(portrait)
        if error is not None:
            yield Enrolment(portrait, error=error)
            continue
        photo = next(embedded)
        yield Enrolment(portrait, photo.faces[0] if photo.faces else None, error=photo.error)


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


def run_index(args: argparse.Namespace) -> int:
    """`facehub gallery index`."""
    with _opened(args, args.gallery) as gallery:
        if not isinstance(gallery, Indexed):
            raise GalleryError(
                f"{args.gallery} has no index: only a gallery in PostgreSQL can be searched "
                "approximately."
            )
        if args.drop:
            gallery.drop_index()
        else:
            gallery.create_index()
    if args.json:
        print_json(indexed=not args.drop)
    elif args.drop:
        print(line(f"{args.gallery} no longer has an index"))
    else:
        print(line(f"{args.gallery} has an index, used where its address has &search=hnsw"))
    return EXIT_YES


def run_check(args: argparse.Namespace) -> int:
    """`facehub gallery check`: the recall of approximate search, or the soundness of the rest."""
    with _opened(args, args.gallery) as gallery:
        if not gallery.exact and isinstance(gallery, Indexed):
            return _print_recall(measure_recall(gallery, args.probes), gallery, args)
        found = check_integrity(gallery, args.probes)
    if args.json:
        print_json(exact=True, **dataclasses.asdict(found))
    elif found.faults:
        print(line(f"{args.gallery} has faults"))
    else:
        print(
            line(
                f"{args.gallery} is sound: {counted(found.people, 'person', 'people')}, "
                f"{counted(found.templates, 'template')}; "
                f"{found.probes} searches found what NumPy finds"
            )
        )
    for fault in found.faults:
        print(line(f"error: {args.gallery}: {fault}"), file=sys.stderr)
    return EXIT_BAD_INPUT if found.faults else EXIT_YES


def _print_recall(recall: Recall, gallery: Gallery, args: argparse.Namespace) -> int:
    people, templates = len(gallery), gallery.n_templates
    if args.json:
        print_json(
            exact=False,
            people=people,
            templates=templates,
            probe_similarity=SIMILARITY,
            **recall.to_dict(),
        )
        return EXIT_YES
    print(line(f"{args.gallery}: {_size(gallery)}; approximate search"))
    for name, share in (("recall@1", recall.at_1), ("recall@5", recall.at_5)):
        print(f"{name}  {share.value:.2%} ({share.low:.2%} to {share.high:.2%})")
    print(
        f"one probe  {1000 * recall.approximate:.1f} ms, {recall.time_ratio:.2f} of an exact "
        f"search's {1000 * recall.exact:.1f} ms"
    )
    print(
        f"{recall.probes} probes: templates of the gallery with noise, at a similarity of "
        f"{SIMILARITY} from their own"
    )
    return EXIT_YES


def run_copy(args: argparse.Namespace) -> int:
    """`facehub gallery copy`: the digests on both sides are compared at the end."""
    check_address(args.target)  # before a connection is made
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
                        f"{args.target} holds {_size(target)}; "
                        f"the {count} of {args.source} are among them, bit for bit"
                    )
                )
    return EXIT_YES


def _print_people(gallery: Gallery, args: argparse.Namespace) -> None:
    if args.json:
        print_json(
            people=[
                {"name": name, "sources": [e.source for e in gallery.examples(name)]}
                for name in gallery
            ],
            templates=gallery.n_templates,
        )
        return
    for name in gallery:
        print(line(f"{name}: {', '.join(e.source for e in gallery.examples(name))}"))
    print(_size(gallery))


def _size(gallery: Gallery) -> str:
    people = counted(len(gallery), "person", "people")
    return f"{people}, {counted(gallery.n_templates, 'template')}"


def _opened(args: argparse.Namespace, address: str, *, new: bool = False) -> Gallery:
    """Open a gallery; reads the description of the weights, but not the weights."""
    folder = weights_folder(args.weights or default_weights())
    size = read_spec(folder).embedding_size
    also = functools.partial(has_fingerprint_v1, folder=folder)
    return open_gallery(address, fingerprint_of(folder), size, new=new, compatible=also)
