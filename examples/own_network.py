"""Use your own face network in ONNX instead of facehub's.

    python examples/own_network.py face_recognition_sface_2021dec.onnx sface/ \\
        examples/eileen_collins.jpg examples/eileen_collins_tilted.jpg

The network here is OpenCV's SFace, which takes raw RGB values aligned to ArcFace's 112 x 112
template. Another network may need another mean, std or colour order: see `Preprocessing`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from facehub import FaceRecognizer, verify
from facehub.model.add import add_network  # needs facehub[onnx]
from facehub.model.spec import Preprocessing
from facehub.template import TEMPLATES


def main() -> None:
    """Describe a network in a folder, and compare two photos with it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("network", type=Path, help="ONNX file")
    parser.add_argument("folder", type=Path, help="folder to create")
    parser.add_argument("first", help="photo")
    parser.add_argument("second", help="photo")
    args = parser.parse_args()
    spec = add_network(
        args.network,
        args.folder,
        template=TEMPLATES["arcface112"],
        preprocessing=Preprocessing(colour="RGB", layout="NCHW", mean=0.0, std=1.0),
        overwrite=True,
    )
    print(f"{args.folder}: embeddings of {spec.embedding_size} values")
    recognizer = FaceRecognizer.from_pretrained(args.folder)
    result = verify(args.first, args.second, recognizer=recognizer)
    # There is no threshold yet: `python -m train calibrate` or calibrate_own_faces.py finds one.
    print(f"{result.decision}: similarity {result.similarity:.3f}")


if __name__ == "__main__":
    main()
