"""Compare face detection with facehub's former method: time, detections and false detections.

python benchmarks/detection.py --reference [--runs 20] [--lfw LFW.zip]

The reference runs the whole landmarker on the picture and on every tile. With `--lfw`, the faces
that each finds are counted: in all pictures of LFW, in mosaics of them, in large pictures with
pasted LFW faces, and in pictures without people. LFW is for evaluation only.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from skimage import data

from facehub.detect.base import MAX_FACES, FaceDetector, FaceLandmarks, Search, left_to_right
from facehub.detect.mediapipe import MediaPipeDetector
from facehub.detect.mediapipe_import import import_mediapipe
from facehub.detect.models import read_model_file
from facehub.io.images import load_image

EXAMPLES = Path(__file__).parents[1] / "examples"
PORTRAITS = ("eileen_collins.jpg", "grace_hopper.jpg", "eileen_collins_tilted.jpg")
SCENES = ("coffee", "rocket", "brick", "gravel", "grass", "retina", "moon", "immunohistochemistry")
NOBODY = (*SCENES, "page", "text", "clock", "hubble_deep_field", "horse", "coins", "logo", "cell")
Placed = tuple[np.ndarray, list[tuple[float, float, float, float]]]  # picture, boxes with a face


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--reference", action="store_true", help="beside the former way")
    parser.add_argument("--lfw", type=Path, help="lfw_pairs.zip: count faces too")
    parser.add_argument("--pictures", type=int, help="no more than so many pictures of LFW")
    args = parser.parse_args()

    detectors: dict[str, FaceDetector] = {"new": MediaPipeDetector()}
    if args.reference:
        detectors = {"reference": ReferenceDetector(), **detectors}
    group, places = group_photo()
    print(f"{'':<44}" + "".join(f"{name:>12}" for name in detectors) + "       ratio")
    compare_times(detectors, "one face, 512 x 512, auto", data.astronaut(), "auto", args.runs)
    name = f"{len(places)} faces, 4000 x 3000"
    compare_times(detectors, f"{name}, thorough", group, "thorough", max(3, args.runs // 4))
    compare_times(detectors, f"{name}, auto", group, "auto", max(3, args.runs // 4))
    if args.lfw:
        faces = LfwFaces(args.lfw, args.pictures)
        count_lfw(detectors, faces)
        rng = np.random.default_rng(0)
        for side, number in ((5, 20), (10, 6)):
            mosaics = [faces.mosaic(side, rng) for _ in range(number)]
            count_placed(detectors, f"mosaics of {side * side} LFW faces", mosaics)
        pasted = [faces.pasted(scene, size, rng) for scene in SCENES for size in (1600, 4000)]
        count_placed(detectors, "small LFW faces pasted, pupils 11 to 60", pasted)
    nobody: list[Placed] = [
        (picture, []) for picture in pictures_without_people(np.random.default_rng(1))
    ]
    count_placed(detectors, "pictures without people", nobody)


# --- time -----------------------------------------------------------------------------------------


def compare_times(
    detectors: dict[str, FaceDetector], name: str, image: np.ndarray, search: Search, runs: int
) -> None:
    """Print the median time of each detector, which take turns, and the ratio; then CPU time."""
    times: dict[str, list[float]] = {name: [] for name in detectors}
    cpu: dict[str, list[float]] = {name: [] for name in detectors}
    for run in range(runs + 2):
        for key, detector in detectors.items():
            start, cpu_start = time.perf_counter(), time.process_time()
            detector.find(image, search)
            if run >= 2:  # the first ones warm up
                times[key].append(1000 * (time.perf_counter() - start))
                cpu[key].append(1000 * (time.process_time() - cpu_start))
    for label, measured in ((name, times), (f"{name}: CPU", cpu)):
        medians = [statistics.median(values) for values in measured.values()]
        ratio = f"{medians[-1] / medians[0]:.3f}"
        print_row(label, [f"{median:.1f} ms" for median in medians], ratio)


def group_photo() -> Placed:
    """4000 x 3000 pixels, 48 portraits of 200 to 500 pixels in front of an upscaled photo."""
    rng = np.random.default_rng(0)
    portraits = [load_image(EXAMPLES / name) for name in PORTRAITS] + [data.astronaut()]
    picture = cv2.resize(data.coffee(), (4000, 3000), interpolation=cv2.INTER_CUBIC)
    boxes: list[tuple[float, float, float, float]] = []
    for number in range(48):
        portrait = portraits[number % len(portraits)]
        size = np.exp(rng.uniform(np.log(200), np.log(500)))
        scale = size / max(portrait.shape[:2])
        small = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        x, y = 500 * (number % 8), 500 * (number // 8)
        boxes.append(paste(picture, small, x, y))
    return picture, boxes


# --- counts ---------------------------------------------------------------------------------------


class LfwFaces:
    """The pictures of `lfw_pairs.zip`, all of about 194 x 194 pixels."""

    def __init__(self, archive: Path, limit: int | None = None) -> None:
        self._zip = zipfile.ZipFile(archive)
        self.names = sorted(n for n in self._zip.namelist() if n.endswith(".jpg"))[:limit]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (load_image(io.BytesIO(self._zip.read(name))) for name in self.names)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """One picture at random."""
        return load_image(io.BytesIO(self._zip.read(str(rng.choice(self.names)))))

    def mosaic(self, side: int, rng: np.random.Generator) -> Placed:
        """`side` x `side` pictures without gaps."""
        picture = np.zeros((side * 194, side * 194, 3), np.uint8)
        cells = [(194 * x, 194 * y) for y in range(side) for x in range(side)]
        return picture, [paste(picture, self.draw(rng), x, y) for x, y in cells]

    def pasted(self, scene: str, width: int, rng: np.random.Generator) -> Placed:
        """30 faces in an upscaled picture of scikit-image, at places that do not overlap."""
        size = (width, width * 3 // 4)
        picture = cv2.resize(sample(scene), size, interpolation=cv2.INTER_CUBIC)
        boxes: list[tuple[float, float, float, float]] = []
        while len(boxes) < 30:
            face = self.draw(rng)[20:174, 30:164]  # pupils about 42 pixels apart
            scale = np.exp(rng.uniform(np.log(11), np.log(60))) / 42
            kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            face = cv2.resize(face, None, fx=scale, fy=scale, interpolation=kind)
            x = int(rng.integers(0, size[0] - face.shape[1]))
            y = int(rng.integers(0, size[1] - face.shape[0]))
            right, bottom = x + face.shape[1], y + face.shape[0]
            if all(x > b[2] or right < b[0] or y > b[3] or bottom < b[1] for b in boxes):
                boxes.append(paste(picture, face, x, y))
        return picture, boxes


def count_lfw(detectors: dict[str, FaceDetector], faces: LfwFaces) -> None:
    """Print in how many pictures of LFW each detector finds a face."""
    found = dict.fromkeys(detectors, 0)
    for picture in faces:
        for name, detector in detectors.items():
            found[name] += bool(detector.find(picture))
    print_row(f"LFW, {len(faces.names):,} pictures: with a face", list(found.values()))


def count_placed(detectors: dict[str, FaceDetector], name: str, pictures: list[Placed]) -> None:
    """Print how many of the pasted faces each detector finds, and how many false ones."""
    number = sum(len(boxes) for _, boxes in pictures)
    hits, others = dict.fromkeys(detectors, 0), dict.fromkeys(detectors, 0)
    distances: list[float] = []
    for picture, boxes in pictures:
        results = {key: detector.find(picture, "thorough") for key, detector in detectors.items()}
        for key, faces in results.items():
            middles = [face.pupils.mean(axis=0) for face in faces]
            hit = {i for i, box in enumerate(boxes) for m in middles if inside(m, box)}
            hits[key] += len(hit)
            others[key] += len(faces) - len(hit)
        first, *_, last = results.values()
        distances += pupil_distances(first, last)
    if number:
        print_row(f"{name}: of {number:,}", list(hits.values()))
    print_row(f"{name}: others, {len(pictures)} pictures", list(others.values()))
    if number and len(detectors) > 1:
        parts = np.percentile(distances, [50, 90, 99, 100])
        text = ", ".join(f"{part:.4f}" for part in parts)
        print(f"  pupils moved, of the eyes' distance: median, 90 %, 99 %, most: {text}")


def pupil_distances(first: list[FaceLandmarks], second: list[FaceLandmarks]) -> list[float]:
    """Distance of each pupil to that of the same face in the other list, in inter-eye distances."""
    distances = []
    for face in first:
        span = float(np.linalg.norm(face.pupils[1] - face.pupils[0]))
        moved = [np.linalg.norm(face.pupils - other.pupils, axis=1) / span for other in second]
        nearest = min(moved, key=lambda values: float(values.max()), default=np.array([np.inf]))
        if nearest.max() < 0.5:  # else the other did not find this face
            distances += [float(value) for value in nearest]
    return distances


def pictures_without_people(rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Pictures of scikit-image as they are, in two larger sizes, and five crops of each."""
    for name in NOBODY:
        picture = sample(name)
        yield picture
        for width in (1600, 3000):
            yield cv2.resize(picture, (width, width * 3 // 4), interpolation=cv2.INTER_CUBIC)
        for _ in range(5):
            side = int(min(picture.shape[:2]) * rng.uniform(0.2, 0.9))
            y = int(rng.integers(0, picture.shape[0] - side + 1))
            x = int(rng.integers(0, picture.shape[1] - side + 1))
            crop = picture[y : y + side, x : x + side]
            yield cv2.resize(crop, (1024, 1024), interpolation=cv2.INTER_CUBIC)


def sample(name: str) -> np.ndarray:
    """A picture of scikit-image as RGB."""
    picture: np.ndarray = getattr(data, name)()
    if picture.dtype == bool:
        picture = picture.astype(np.uint8) * 255
    if picture.ndim == 2:
        return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    return np.ascontiguousarray(picture[..., :3])


def paste(picture: np.ndarray, part: np.ndarray, x: int, y: int) -> tuple[int, int, int, int]:
    """Paste a part into a picture; return its box."""
    bottom, right = y + part.shape[0], x + part.shape[1]
    picture[y:bottom, x:right] = part
    return x, y, right, bottom


def inside(point: np.ndarray, box: tuple[float, float, float, float]) -> bool:
    """Whether a point is inside a box."""
    return bool(box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3])


def print_row(name: str, values: list[object] | list[int] | list[str], last: str = "") -> None:
    """Print one line of the table."""
    print(f"{name:<44}" + "".join(f"{value!s:>12}" for value in values) + f"{last:>12}", flush=True)


# --- the reference --------------------------------------------------------------------------------


class ReferenceDetector:
    """The whole landmarker on the picture, on a padded copy and on every tile."""

    def __init__(self) -> None:
        self._mp = mp = import_mediapipe()
        self._landmarker = mp.FaceLandmarker.create_from_options(
            mp.FaceLandmarkerOptions(
                base_options=mp.BaseOptions(model_asset_buffer=read_model_file()),
                num_faces=MAX_FACES,
                output_facial_transformation_matrixes=True,
            )
        )

    def find(self, image: np.ndarray, search: Search = "auto") -> list[FaceLandmarks]:
        """Find the faces of a picture."""
        faces = self._detect(image) or self._detect_padded(image)
        height, width = image.shape[:2]
        for level in range(1, 2 if faces and search == "auto" else 5):
            side = max(height, width) // 2**level
            if side < 192:
                break
            for y in self._starts(height, side):
                for x in self._starts(width, side):
                    tile = image[y : y + side, x : x + side]
                    for face in self._detect(tile, (x, y)):
                        known = any(self._same_place(face, other) for other in faces)
                        if self._in_tile(face, x, y, tile, image) and not known:
                            faces += self._confirm(image, face)
        return left_to_right(faces)

    def close(self) -> None:
        """Free the model."""
        self._landmarker.close()

    def _detect(self, image: np.ndarray, offset: tuple[int, int] = (0, 0)) -> list[FaceLandmarks]:
        height, width = image.shape[:2]
        pixels = np.ascontiguousarray(image)
        frame = self._mp.Image(image_format=self._mp.ImageFormat.SRGB, data=pixels)
        result = self._landmarker.detect(frame)
        return [
            FaceLandmarks(
                np.array([(p.x * width, p.y * height) for p in points], np.float32)
                + np.array(offset, np.float32),
                np.asarray(pose, np.float32),
            )
            for points, pose in zip(
                result.face_landmarks, result.facial_transformation_matrixes, strict=True
            )
        ]

    def _detect_padded(self, image: np.ndarray) -> list[FaceLandmarks]:
        height, width = image.shape[:2]
        pad = max(height, width) // 2
        if max(height, width) > 2048:
            return []
        grey = (128, 128, 128)
        padded = cv2.copyMakeBorder(image, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=grey)
        return [
            face
            for face in self._detect(padded, (-pad, -pad))
            if (face.pupils >= 0).all() and (face.pupils < (width, height)).all()
        ]

    def _confirm(self, image: np.ndarray, face: FaceLandmarks) -> list[FaceLandmarks]:
        x0, y0, x1, y1 = face.box
        reach = 1.5 * max(x1 - x0, y1 - y0)
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        left, top = max(0, int(x - reach)), max(0, int(y - reach))
        region = image[top : int(y + reach) + 1, left : int(x + reach) + 1]
        return [f for f in self._detect(region, (left, top)) if self._same_place(f, face)][:1]

    @staticmethod
    def _starts(length: int, side: int) -> list[int]:
        if length <= side:
            return [0]
        count = int(np.ceil((length - side) / (side * 0.65))) + 1
        return [round(start) for start in np.linspace(0, length - side, count)]

    @staticmethod
    def _in_tile(face: FaceLandmarks, x: int, y: int, tile: np.ndarray, image: np.ndarray) -> bool:
        x0, y0, x1, y1 = face.box
        right, bottom = x + tile.shape[1], y + tile.shape[0]
        return (
            (x0 > x or x == 0)
            and (y0 > y or y == 0)
            and (x1 < right or right == image.shape[1])
            and (y1 < bottom or bottom == image.shape[0])
        )

    @staticmethod
    def _same_place(a: FaceLandmarks, b: FaceLandmarks) -> bool:
        pairs: tuple[tuple[FaceLandmarks, FaceLandmarks], ...] = ((a, b), (b, a))
        return any(inside(face.pupils.mean(axis=0), other.box) for face, other in pairs)


if __name__ == "__main__":
    main()
