"""Draw occlusions over aligned faces: masks, scarves, hands, dark glasses, visors; and decoys."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from facehub.template import DEFAULT_TEMPLATE
from train.occlusion.canvas import (
    COLUMNS,
    HEIGHT,
    ROWS,
    WIDTH,
    Canvas,
    cloth,
    ellipse,
    eye_region,
    filled,
    glass,
    line,
    mouth_region,
    random_colour,
    skin_colour,
)

EYES, MOUTH = 0, 1  # columns of labels
COVERED, BARE = 0.8, 0.1  # occluded share of a region from which it is labelled 1, up to which 0
# Nose tip and mouth corners: means over CelebA's aligned faces.
USUAL_POINTS = np.array(
    [DEFAULT_TEMPLATE.left_eye, DEFAULT_TEMPLATE.right_eye, (47.6, 72.0), (32.6, 88.9), (63.4, 89)],
    np.float32,
)
_MAX_SHIFT = 5.0  # pixels between a landmark found in the crop and where alignment put it


def draw(
    crop: np.ndarray,
    points: np.ndarray,
    kind: str,
    rng: np.random.Generator,
    donor: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one random occlusion or decoy.

    Args:
        crop: uint8 (112, 96, 3), RGB, aligned by the pupils.
        points: float32 (5, 2), see `usable_points`.
        kind: a key of `KINDS` or `DECOYS`.
        rng: random generator.
        donor: uint8 (112, 96, 3), another picture.

    Returns:
        (crop, labels): uint8 (112, 96, 3); float32 (2,), eyes and mouth: 1 if occluded, 0 if not,
        NaN if in between.
    """
    canvas = Canvas(crop.astype(np.float32), points, donor.astype(np.float32), rng)
    (KINDS | DECOYS)[kind](canvas)
    labels = np.zeros(2, np.float32)
    if kind in KINDS:
        covered = canvas.alpha > 0.5
        for column, region in ((EYES, eye_region(points)), (MOUTH, mouth_region(points))):
            share = float(covered[region].mean()) if region.any() else 0.0
            labels[column] = 1 if share >= COVERED else 0 if share <= BARE else np.nan
    return np.clip(np.rint(canvas.crop), 0, 255).astype(np.uint8), labels


def usable_points(found: np.ndarray) -> np.ndarray:
    """Return a crop's detected landmarks if their pupils are plausible, else `USUAL_POINTS`.

    Args:
        found: float32 (5, 2), see `train.data.landmarks`; NaN without a face.
    """
    off = np.abs(found[:2] - USUAL_POINTS[:2]).max()
    return found.astype(np.float32) if off <= _MAX_SHIFT else USUAL_POINTS  # NaN compares False


# --- occlusions -----------------------------------------------------------------------------------


def _mask(c: Canvas) -> None:
    """A cloth or paper mask from the nose, or from below it, to the chin."""
    nose, mouth = c.points[2], c.mouth
    top = c.eyes[1] + c.between(0.3, 1.1) * (nose[1] - c.eyes[1])
    down = max(float(mouth[1] - nose[1]), 10)
    bottom = mouth[1] + down * c.between(0.9, 2.0)
    left, right = nose[0] - c.between(24, 44), nose[0] + c.between(24, 44)
    side_top = top + c.between(-2, 12)
    side_bottom = mouth[1] + c.between(-6, 12)
    corners = np.array(
        [
            (left, side_top),
            (nose[0] - c.between(6, 14), top + c.between(-1, 4)),
            (nose[0], top - c.between(0, 4)),
            (nose[0] + c.between(6, 14), top + c.between(-1, 4)),
            (right, side_top + c.between(-3, 3)),
            (right - c.between(0, 5), side_bottom),
            (mouth[0] + c.between(10, 22), bottom),
            (mouth[0] - c.between(10, 22), bottom),
            (left + c.between(0, 5), side_bottom),
        ]
    )
    texture = cloth(c)
    if c.chance(0.4):  # pleats
        pleats = np.sin(2 * np.pi * (ROWS + 0.004 * (COLUMNS - nose[0]) ** 2) / c.between(5, 14))
        texture = texture * (1 + c.between(0.03, 0.2) * pleats)[..., None]
    if c.chance(0.6):
        strap = np.full(3, c.between(0, 255), np.float32)
        for x, edge in ((left, -8), (right, WIDTH + 8)):
            ends = np.array([(x, side_top + 2), (edge, c.eyes[1] + c.between(-4, 14))])
            c.paint(line(ends, c.between(0.7, 2)), strap)
    c.paint(filled(corners), texture)


def _scarf(c: Canvas) -> None:
    """A scarf, a veil or a collar: everything below a line between nose and mouth."""
    low = c.points[2][1] + c.between(-8, 0.6 * max(float(c.mouth[1] - c.points[2][1]), 8))
    x = np.linspace(-10, WIDTH + 10, 7)
    y = low + c.between(-8, 8) * ((x - c.mouth[0]) / 50) ** 2 + c.rng.normal(0, 1.5, 7)
    y += c.between(-0.15, 0.15) * (x - WIDTH / 2)
    corners = np.stack([x, y], axis=1)
    ends = np.array([(WIDTH + 10, HEIGHT + 10), (-10, HEIGHT + 10)])
    c.paint(filled(np.concatenate([corners, ends])), cloth(c))


def _hand(c: Canvas, centre: np.ndarray) -> None:
    """A palm or fingers, in the face's skin colour or another."""
    skin = skin_colour(c) if c.chance(0.75) else np.array([200, 150, 120]) * c.between(0.25, 1.2)
    texture = cloth(c, np.asarray(skin, np.float32))
    angle = c.between(-0.9, 0.9) + (np.pi / 2 if c.chance(0.3) else 0)
    across = np.array([-np.sin(angle), np.cos(angle)])
    along = np.array([np.cos(angle), np.sin(angle)])
    count, thick = int(c.rng.integers(3, 6)), c.between(5, 8)
    for finger in range(count):
        offset = (finger - (count - 1) / 2) * thick * c.between(1.5, 1.8)
        middle = centre + across * offset + along * c.between(-6, 6)
        shape = ellipse(middle, c.between(22, 40), thick, angle + c.between(-0.06, 0.06), 3)
        c.paint(shape, texture * c.between(0.9, 1.08))
        edge = shape - cv2.erode(shape, np.ones((3, 3), np.uint8))
        c.shade(edge, c.between(0.55, 0.9))
    if c.chance(0.5):
        side = along * (c.between(24, 40) * (1 if c.chance(0.5) else -1))
        c.paint(ellipse(centre + side, 26, 22, angle, 2.5), texture)


def _hand_on_mouth(c: Canvas) -> None:
    _hand(c, c.mouth + c.rng.normal(0, 3, 2))


def _hand_on_eyes(c: Canvas) -> None:
    _hand(c, c.eyes + c.rng.normal(0, 3, 2))


def _thing_on_mouth(c: Canvas) -> None:
    """A cup, a telephone, a microphone, a fan: a blob or a rectangle."""
    width = float(np.linalg.norm(c.points[4] - c.points[3]))
    shape = ellipse(
        c.mouth + c.rng.normal(0, 3, 2),
        max(width / 2, 10) * c.between(1.1, 2.2),
        c.between(9, 26),
        c.between(-0.5, 0.5),
        float(c.rng.choice([2, 3, 8])),
    )
    c.paint(shape, cloth(c))


def _thing_on_eyes(c: Canvas) -> None:
    """A bar, a blindfold, a rectangle."""
    shape = ellipse(
        c.eyes + c.rng.normal(0, 2, 2),
        c.between(28, 60),
        c.between(6, 20),
        c.between(-0.12, 0.12),
        float(c.rng.choice([3, 8, 30])),
    )
    c.paint(shape, cloth(c))


def _frames(c: Canvas, glass: np.ndarray | None) -> None:
    """Glasses: dark or mirrored with the texture `glass`, clear with None."""
    rx, ry = c.between(10, 17), c.between(7, 14)
    shift = np.array([c.between(0, 2.5), c.between(-1, 4)])
    power, slope = c.between(2, 5), c.between(-0.15, 0.15)
    frame = np.full(3, c.between(0, 70)) if c.chance(0.7) else random_colour(c)
    thick = c.between(0.5, 2.6)
    lenses = []
    for eye, side in zip(c.points[:2], (-1, 1), strict=True):
        centre = eye + shift * (side, 1)
        lenses.append(ellipse(centre, rx, ry, slope * side, power))
        rim = ellipse(centre, rx + thick, ry + thick, slope * side, power) - lenses[-1]
        if glass is None:
            tint = random_colour(c)
            c.paint(lenses[-1], np.broadcast_to(tint, c.crop.shape), c.between(0, 0.2))
        else:
            c.paint(lenses[-1], glass, c.between(0.8, 1))
        c.paint(rim, np.broadcast_to(frame, c.crop.shape), min(1.0, c.between(0.4, 1.2)))
        if c.chance(0.3):  # a reflection
            reflex = centre + c.rng.normal(0, 4, 2)
            light = np.full(c.crop.shape, c.between(180, 255), np.float32)
            spot = ellipse(reflex, c.between(1, 5), c.between(1, 3), c.between(0, 3))
            c.paint(spot * lenses[-1], light, c.between(0.2, 0.9))
        outer = np.add(centre, (side * (rx + thick), c.between(-6, 0)))
        temple = np.array([outer, np.add(outer, (side * 30, c.between(-3, 8)))])
        c.paint(line(temple, thick + 0.5), np.broadcast_to(frame, c.crop.shape))
    middle = np.array([c.points[0], c.eyes, c.points[1]])
    bridge = np.add(middle, [(rx, -2), (0, -3), (-rx, -2)])
    bridge[:, 1] += shift[1]
    c.paint(line(bridge, thick), np.broadcast_to(frame, c.crop.shape))


def _dark_glasses(c: Canvas) -> None:
    _frames(c, glass(c))


def _visor(c: Canvas) -> None:
    """Ski goggles, a visor, or a cap pulled down: one piece over both eyes."""
    top, bottom = c.eyes[1] - c.between(8, 26), c.eyes[1] + c.between(9, 18)
    half, bend = c.between(32, 55), c.between(-5, 8)
    notch = c.between(-8, 2)
    x = c.eyes[0]
    corners = np.array(
        [
            (x - half, top + bend),
            (x, top),
            (x + half, top + bend),
            (x + half, bottom - c.between(0, 5)),
            (x + half / 2, bottom + 2),
            (x, bottom + notch),
            (x - half / 2, bottom + 2),
            (x - half, bottom - c.between(0, 5)),
        ]
    )
    c.paint(filled(corners), glass(c) if c.chance(0.6) else cloth(c))


def _whole_face(c: Canvas) -> None:
    """A helmet's visor or a mask over eyes and mouth."""
    middle = (c.eyes + c.mouth) / 2
    shape = ellipse(middle, c.between(30, 48), c.between(36, 52), c.between(-0.1, 0.1), 2.5)
    c.paint(shape, glass(c) if c.chance(0.5) else cloth(c))


def _mask_and_glasses(c: Canvas) -> None:
    (_mask if c.chance(0.6) else _scarf)(c)
    (_dark_glasses if c.chance(0.7) else _visor)(c)


def _mask_and_clear_glasses(c: Canvas) -> None:
    _mask(c)
    before = c.alpha.copy()
    _frames(c, None)
    c.alpha[:] = before


# --- decoys: neither eyes nor mouth are occluded --------------------------------------------------


def _clear_glasses(c: Canvas) -> None:
    _frames(c, None)


def _hat(c: Canvas) -> None:
    """A hat, a cap or a fringe of hair that ends above the eyes."""
    low = c.eyes[1] - c.between(11, 30)
    x = np.linspace(-10, WIDTH + 10, 7)
    y = low + c.between(-6, 3) * ((x - c.eyes[0]) / 50) ** 2 + c.rng.normal(0, 0.7, 7)
    corners = np.concatenate([np.stack([x, y], 1), [(WIDTH + 10, -10), (-10, -10)]])
    c.paint(filled(corners), cloth(c))


def _chin(c: Canvas) -> None:
    """A mask or a collar pulled down below the mouth."""
    low = c.mouth[1] + c.between(10, 18)
    x = np.linspace(-10, WIDTH + 10, 7)
    y = low - c.between(-4, 10) * (np.abs(x - c.mouth[0]) / 50) ** 2
    corners = np.concatenate([np.stack([x, y], 1), [(WIDTH + 10, HEIGHT + 10), (-10, HEIGHT + 10)]])
    c.paint(filled(corners), cloth(c))


def _aside(c: Canvas) -> None:
    """A hand, hair or an object beside the face."""
    x = c.between(-6, 6) if c.chance(0.5) else WIDTH - c.between(-6, 6)
    centre = np.array([x, c.between(20, 100)])
    c.paint(ellipse(centre, c.between(6, 15), c.between(10, 60), c.between(-0.4, 0.4)), cloth(c))


def _patch(c: Canvas) -> None:
    """A plaster or paint on a cheek, the forehead or the nose."""
    eyes, mouth = c.eyes, c.mouth
    places = [eyes - (c.between(-20, 20), c.between(18, 34)), (eyes + mouth) / 2 + (26, 0)]
    places += [(eyes + mouth) / 2 - (26, 0), c.points[2]]
    centre = places[int(c.rng.integers(4))]
    c.paint(ellipse(centre, c.between(3, 8), c.between(3, 8), c.between(0, 3)), cloth(c))


KINDS: dict[str, Callable[[Canvas], None]] = {
    "mask": _mask,
    "scarf": _scarf,
    "hand on mouth": _hand_on_mouth,
    "thing on mouth": _thing_on_mouth,
    "dark glasses": _dark_glasses,
    "visor": _visor,
    "hand on eyes": _hand_on_eyes,
    "thing on eyes": _thing_on_eyes,
    "whole face": _whole_face,
    "mask and dark glasses": _mask_and_glasses,
    "mask and clear glasses": _mask_and_clear_glasses,
}
DECOYS: dict[str, Callable[[Canvas], None]] = {
    "clear glasses": _clear_glasses,
    "hat": _hat,
    "chin": _chin,
    "aside": _aside,
    "patch": _patch,
}
