"""Find photos enrolled twice or under two names, and remove copies from the gallery.

    python examples/deduplicate_gallery.py people.db            # print findings
    python examples/deduplicate_gallery.py people.db --remove   # also remove copies of a photo

Only copies of a photo are removed. A person with two names, and photos unlike the person's others,
are printed for a human decision.
"""

from __future__ import annotations

import argparse

from facehub import FaceRecognizer, ReviewReason, review_gallery


def main() -> None:
    """Print findings, and remove copies on request."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("gallery", help="people.db, or postgresql://...")
    parser.add_argument("--remove", action="store_true", help="remove copies of one photo")
    args = parser.parse_args()
    recognizer = FaceRecognizer.from_pretrained()
    with recognizer.open_gallery(args.gallery, new=False) as gallery:
        findings = review_gallery(gallery, recognizer.spec)
        copies: list[tuple[str, str]] = []
        for found in findings:
            where = f"{found.name}, photo {found.example + 1} ({found.source})"
            if found.reason is ReviewReason.DUPLICATE:
                print(f"copy       {where}: of {found.other} ({found.other_source})")
                if found.name == found.other:
                    copies.append((found.name, gallery.examples(found.name)[found.example].digest))
            elif found.reason is ReviewReason.TWO_NAMES:
                print(f"two names  {where}: {found.other} ({found.other_source})?")
            else:
                print(f"unlike     {where}: similarity {found.similarity:.2f} to the others")
        if args.remove and copies:
            with gallery.transaction():  # all or none
                for name, digest in copies:
                    gallery.remove(name, digest)
            print(f"{len(copies)} copies removed; {gallery.n_templates} photos are left")
        elif not findings:
            print("Nothing is doubtful.")


if __name__ == "__main__":
    main()
