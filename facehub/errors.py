"""Every error that facehub raises on purpose.

The library raises them; only the edges (`facehub/cli/`, `facehub/demo/`) turn them into messages.
Each message is one sentence a user can act on.
"""


class FaceHubError(Exception):
    """Base class: `except FaceHubError` catches all that facehub raises on purpose."""


class ImageError(FaceHubError):
    """A picture could not be used."""


class ImageFormatError(ImageError):
    """Not a JPEG, PNG or WebP picture, or an array of the wrong shape or dtype."""


class ImageDecodeError(ImageError):
    """The file is empty, truncated or damaged."""


class ImageTooLargeError(ImageError):
    """More bytes or pixels than the limits allow; found out before decoding."""


class FaceError(FaceHubError):
    """The picture is fine, but not the faces in it."""


class NoFaceError(FaceError):
    """No face was found."""


class MultipleFacesError(FaceError):
    """Several faces were found where exactly one was asked for."""


class LowQualityError(FaceError):
    """A face has a quality issue that the caller chose to reject."""


class AssetError(FaceHubError):
    """A file carried in the package is missing or altered."""


class WeightsError(FaceHubError):
    """Encoder weights are missing, damaged or of another architecture."""


class GalleryError(FaceHubError):
    """A gallery file is damaged, or a gallery operation makes no sense."""


class GalleryMismatchError(GalleryError):
    """A gallery holds templates from other weights than the ones in use."""
