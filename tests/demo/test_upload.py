"""An upload's path and its name."""

from __future__ import annotations

import pickle

from facehub.demo.upload import SLASH, Upload


def test_an_upload_is_its_path_and_knows_its_name() -> None:
    upload = Upload("/tmp/x/Anna.jpg", f"people{SLASH}Anna!{SLASH}1.jpg")
    assert upload == "/tmp/x/Anna.jpg"
    assert upload.name == "people/Anna!/1.jpg"
    assert Upload.of(upload) is upload
    assert Upload.of("/tmp/x/Anna.jpg").name == "Anna.jpg"


def test_an_upload_can_be_sent_to_another_process() -> None:
    upload = pickle.loads(pickle.dumps(Upload("a", "b")))
    assert (upload, upload.name) == ("a", "b")
