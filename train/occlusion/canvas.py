"""Draw random occlusions: canvas, textures and shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from facehub.template import DEFAULT_TEMPLATE

HEIGHT, WIDTH = DEFAULT_TEMPLATE.height, DEFAULT_TEMPLATE.width

ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)


@dataclass(frozen=True, eq=False)
class Canvas:
    """The picture that an occlusion is drawn on.

    Attributes:
        crop: float32 (112, 96, 3), RGB, 0 to 255.
        points: float32 (5, 2), (x, y) of pupils, tip of the nose, corners of the mouth.
        donor: float32 (112, 96, 3), another picture, used as a texture or reflection.
        rng: random generator.
        alpha: float32 (112, 96), opacity of everything drawn so far, 0 to 1.
    """

    crop: np.ndarray
    points: np.ndarray
    donor: np.ndarray
    rng: np.random.Generator
    alpha: np.ndarray = field(default_factory=lambda: np.zeros((HEIGHT, WIDTH), np.float32))

    @property
    def eyes(self) -> np.ndarray:
        """(x, y) of the midpoint between the pupils."""
        return np.asarray(self.points[:2].mean(axis=0))

    @property
    def mouth(self) -> np.ndarray:
        """(x, y) of the centre of the mouth."""
        return np.asarray(self.points[3:].mean(axis=0))

    def between(self, low: float, high: float) -> float:
        """A uniform random number."""
        return float(self.rng.uniform(low, high))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return bool(self.rng.random() < probability)

    def paint(self, mask: np.ndarray, texture: np.ndarray, opacity: float = 1.0) -> None:
        """Blend a texture into the crop by `mask`, (112, 96), 0 to 1."""
        soft = cv2.GaussianBlur(mask, (0, 0), self.between(0.3, 1.3)) * opacity
        self.crop[:] += soft[..., None] * (texture - self.crop)
        np.maximum(self.alpha, mask, out=self.alpha)

    def shade(self, mask: np.ndarray, factor: float) -> None:
        """Darken or brighten the crop by `mask`, without adding to `alpha`."""
        self.crop[:] *= 1 + (factor - 1) * cv2.GaussianBlur(mask, (0, 0), 1.0)[..., None]


# --- textures -------------------------------------------------------------------------------------


def random_colour(c: Canvas) -> np.ndarray:
    """A random colour of cloth or an object, float32 (3,)."""
    kind = c.rng.integers(8)
    if kind == 0:
        base = np.array([150, 195, 220])  # surgical blue
    elif kind == 1:
        base = np.array([235, 235, 235])
    elif kind == 2:
        base = np.full(3, c.between(5, 55))
    elif kind == 3:
        base = np.full(3, c.between(40, 200))
    elif kind == 4:
        base = skin_colour(c)
    else:
        hsv = np.array([[[c.between(0, 180), c.between(20, 255), c.between(20, 255)]]])
        base = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)[0, 0]
    return np.asarray(base + c.rng.normal(0, 10, 3), np.float32)


def skin_colour(c: Canvas) -> np.ndarray:
    """A colour close to that of the cheeks."""
    x, y = c.points[2]
    x, y = int(np.clip(x, 16, WIDTH - 16)), int(np.clip(y, 4, HEIGHT - 4))
    cheeks = c.crop[y - 4 : y + 4, x - 16 : x + 16].reshape(-1, 3)
    return np.asarray(np.median(cheeks, axis=0) * c.between(0.75, 1.2) + c.rng.normal(0, 6, 3))


def waves(c: Canvas, period: tuple[float, float], bend: float = 0.0) -> np.ndarray:
    """Stripes of a random direction, (112, 96), -1 to 1."""
    angle = c.between(0, np.pi)
    along = COLUMNS * np.cos(angle) + ROWS * np.sin(angle)
    if bend:
        along = along + bend * cloud(c, 5)
    return np.asarray(np.sin(2 * np.pi * along / c.between(*period) + c.between(0, 6.3)))


def cloud(c: Canvas, cells: int) -> np.ndarray:
    """Smooth noise, (112, 96), about -1 to 1."""
    coarse = c.rng.normal(0, 0.6, (cells, cells)).astype(np.float32)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def photo(c: Canvas) -> np.ndarray:
    """A rotated and enlarged part of another picture, no longer recognisable as a face."""
    scale = np.exp(c.between(0, 1.6))
    matrix = cv2.getRotationMatrix2D(
        (c.between(20, 76), c.between(20, 92)), c.between(0, 360), scale
    )
    return cv2.warpAffine(c.donor, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT_101)


def cloth(c: Canvas, colour: np.ndarray | None = None) -> np.ndarray:
    """A texture, float32 (112, 96, 3): flat, striped, checked, dotted, cloudy, or from a photo."""
    base = random_colour(c) if colour is None else colour
    texture: np.ndarray = np.broadcast_to(base, (HEIGHT, WIDTH, 3)).astype(np.float32)
    pattern = (
        "flat"
        if colour is not None
        else str(c.rng.choice(["flat", "flat", "stripes", "checks", "dots", "cloud", "photo"]))
    )
    if pattern == "photo":
        texture = photo(c)
    elif pattern != "flat":
        fields: dict[str, Callable[[], np.ndarray]] = {
            "stripes": lambda: waves(c, (2.5, 24)) > c.between(-0.6, 0.6),
            "checks": lambda: (waves(c, (4, 24)) > 0) ^ (waves(c, (4, 24)) > 0),
            "dots": lambda: waves(c, (4, 14)) * waves(c, (4, 14)) > c.between(0.2, 0.7),
            "cloud": lambda: np.clip(cloud(c, int(c.rng.integers(4, 20))) + 0.5, 0, 1),
        }
        mix = np.asarray(fields[pattern](), np.float32)[..., None]
        texture = texture + mix * (random_colour(c) - texture)
    if c.chance(0.6):  # folds
        texture = texture * (1 + c.between(0, 0.25) * waves(c, (8, 40), 12)[..., None])
    if c.chance(0.6):  # the light that falls on the face
        light = cv2.GaussianBlur(c.crop.mean(axis=2), (0, 0), 12)
        light = light / max(float(light.mean()), 1.0)
        texture = texture * (1 + c.between(0, 1) * (light - 1))[..., None]
    grain = c.rng.normal(0, c.between(0, 6), (HEIGHT, WIDTH, 1))
    return np.asarray(texture + grain, np.float32)


def glass(c: Canvas) -> np.ndarray:
    """Dark or mirrored glass."""
    dark = c.chance(0.65)
    top = np.full(3, c.between(0, 60)) if dark else random_colour(c)
    bottom = top * c.between(0.8, 2.2) if dark else random_colour(c)
    ramp = np.clip((ROWS - c.eyes[1]) / 24 + 0.5, 0, 1)[..., None]
    texture = top + ramp * (bottom - top)
    reflection = c.between(0, 0.3) if dark else c.between(0.1, 0.7)
    return np.asarray(texture + reflection * (photo(c) - texture), np.float32)


# --- shapes ---------------------------------------------------------------------------------------


def filled(corners: np.ndarray, smooth: int = 2) -> np.ndarray:
    """A polygon with rounded corners, float32 (112, 96), 0 to 1."""
    for _ in range(smooth):  # Chaikin's corner cutting
        after = np.roll(corners, -1, axis=0)
        corners = np.stack([0.75 * corners + 0.25 * after, 0.25 * corners + 0.75 * after], 1)
        corners = corners.reshape(-1, 2)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(mask, [np.rint(corners * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255


def ellipse(centre: np.ndarray, rx: float, ry: float, angle: float, power: float = 2) -> np.ndarray:
    """A superellipse, float32 (112, 96), 0 or 1; a high power gives almost a rectangle."""
    cos, sin = np.cos(angle), np.sin(angle)
    dx, dy = COLUMNS - centre[0], ROWS - centre[1]
    u, v = (dx * cos + dy * sin) / rx, (dy * cos - dx * sin) / ry
    return np.asarray(np.abs(u) ** power + np.abs(v) ** power <= 1, np.float32)


def line(points: np.ndarray, width: float) -> np.ndarray:
    """A line, float32 (112, 96), 0 to 1; lines thinner than a pixel are fainter."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    at = [np.rint(points * 16).astype(np.int32)]
    cv2.polylines(mask, at, False, 255, max(1, round(width)), cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255 * min(width, 1.0)


def eye_region(points: np.ndarray) -> np.ndarray:
    """The region of the eyes, bool (112, 96)."""
    return np.asarray((ellipse(points[0], 8, 5, 0) + ellipse(points[1], 8, 5, 0)) > 0)


def mouth_region(points: np.ndarray) -> np.ndarray:
    """The region of the mouth, bool (112, 96)."""
    width = float(np.linalg.norm(points[4] - points[3]))
    return ellipse(points[3:].mean(axis=0), max(width / 2, 8), 6, 0) > 0
