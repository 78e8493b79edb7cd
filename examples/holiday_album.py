"""Group the people of unlabelled photos, and put each group into a folder of links.

    python examples/holiday_album.py PHOTOS album/

PHOTOS is a folder. The photos stay where they are; `album/person_001/` and so on
hold symbolic links to them. People seen in fewer than two photos are left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from facehub import AlbumFace, FaceHubError, FaceRecognizer, make_album

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def main() -> None:
    """Make an album of a folder."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", type=Path, help="folder of photos")
    parser.add_argument("album", type=Path, help="folder to create")
    parser.add_argument("--least", type=int, default=2, help="fewest photos per person")
    args = parser.parse_args()
    paths = sorted(p for p in args.photos.rglob("*") if p.suffix.lower() in SUFFIXES)
    recognizer = FaceRecognizer.from_pretrained()
    faces: list[AlbumFace] = []
    embeddings: list[np.ndarray] = []
    # `faces_many` uses all cores, and yields errors instead of raising them.
    for path, found in zip(paths, recognizer.faces_many(paths, search="thorough"), strict=True):
        if isinstance(found, FaceHubError):
            print(f"{path}: {found}")
            continue
        faces += [AlbumFace(str(path), face.face.box) for face in found]
        embeddings += [face.embedding for face in found]
    if not faces:
        raise SystemExit("No photo shows a face.")
    album = make_album(faces, np.stack(embeddings), recognizer.spec)
    kept = [group for group in album.groups if len(group.faces) >= args.least]
    for number, group in enumerate(kept, 1):
        folder = args.album / f"person_{number:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        for face in group.faces:
            link = folder / Path(face.photo).relative_to(args.photos).as_posix().replace("/", "_")
            link.unlink(missing_ok=True)
            link.symlink_to(Path(face.photo).resolve())
        print(f"{folder}: {len(group.faces)} photos")
    print(f"{len(faces)} faces in {len(paths)} photos, {len(kept)} people")


if __name__ == "__main__":
    main()
