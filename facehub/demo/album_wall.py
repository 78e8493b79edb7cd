"""HTML of the Album tab: the faces of each group."""

from __future__ import annotations

from html import escape

from facehub.demo import texts
from facehub.demo.picture import data_uri, thumbnail
from facehub.demo.session_album import SessionAlbum

HEIGHT = 84  # pixels of a face on a wall
MAX_CROPS = 6  # faces of a group on a wall
COLUMNS = 3

CSS = f"""
#album-groups [data-testid=checkbox-group]{{display:flex;flex-wrap:wrap;gap:.6rem}}
#album-groups label{{align-items:flex-start;padding:.6rem;border-radius:12px;max-width:100%}}
#album-groups label span{{margin-left:.4rem;overflow-wrap:anywhere}}
#album-groups label span::before{{content:"";display:block;height:{HEIGHT}px;margin-bottom:.4rem;
border-radius:8px;background-repeat:no-repeat}}
#album-groups label:has(input:checked){{outline:3px solid var(--color-accent)}}
#album-name :is(input,textarea){{border:1px solid var(--input-border-color)}}
#album-bar{{position:sticky;bottom:0;z-index:5;padding:.6rem;border-radius:12px;
background:var(--body-background-fill);border:1px solid var(--border-color-primary)}}
"""


def choices(album: SessionAlbum) -> list[tuple[str, int]]:
    """The label and the key of each group."""
    found = []
    for number, (key, members) in enumerate(album.groups.items(), 1):
        name = album.names.get(key) or texts.ALBUM_GROUP.format(number=number)
        count = texts.COUNT[len(members) > 1].format(count=len(members))
        found.append((f"{name}, {count}", key))
    return found


def wall(album: SessionAlbum, chooser: str) -> str:
    """A summary, and a style sheet that shows the faces of each group in its label.

    Args:
        album: the groups to show.
        chooser: element id of the checkboxes that choose groups.
    """
    styles = "".join(
        f"#{chooser} label:nth-of-type({number}) span::before{{{_faces(album, members)}}}"
        for number, members in enumerate(album.groups.values(), 1)
    )
    several = sum(len(members) > 1 for members in album.groups.values())
    text = texts.ALBUM_FOUND.format(
        faces=len(album.faces),
        photos=texts.COUNT[album.photos != 1].format(count=album.photos),
        groups=several,
        singles=len(album.groups) - several,
    )
    items = "".join(f"<li>{escape(failure)}</li>" for failure in album.failures)
    failures = f'<ul class="fh-warn">{items}</ul>' if items else ""
    return (
        f'<style>{styles}</style><div class="fh-card" role="status">{escape(text)}{failures}</div>'
    )


def _faces(album: SessionAlbum, members: tuple[int, ...]) -> str:
    """The first faces of a group, side by side, as backgrounds of one element."""
    crops = [thumbnail(album.faces[place].face.face.crop, HEIGHT) for place in members[:MAX_CROPS]]
    width = max(pixels.shape[1] for pixels in crops) + 2
    rows = -(-len(crops) // COLUMNS)
    layers = ",".join(
        f"url({data_uri(pixels)}) {width * (i % COLUMNS)}px {(HEIGHT + 2) * (i // COLUMNS)}px "
        f"no-repeat"
        for i, pixels in enumerate(crops)
    )
    return (
        f"width:{width * min(len(crops), COLUMNS) - 2}px;height:{(HEIGHT + 2) * rows - 2}px;"
        f"background:{layers}"
    )
