"""Files that the package carries."""

from __future__ import annotations

import hashlib
from importlib import resources

from facehub.errors import AssetError


def read_asset(name: str, sha256: str) -> bytes:
    """Read a file of `facehub/assets` and check it.

    Args:
        name: the file.
        sha256: its SHA-256, in hexadecimal digits.

    Raises:
        AssetError: the file is missing, damaged or altered.
    """
    try:
        data = (resources.files("facehub") / "assets" / name).read_bytes()
    except OSError as error:
        raise AssetError(f"{name} is missing from the package; reinstall facehub.") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise AssetError(f"{name} in the package is damaged or altered; reinstall facehub.")
    return data
