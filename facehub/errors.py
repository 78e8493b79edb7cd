"""Every error that facehub raises on purpose.

    FaceHubError
    ├── ImageError               a picture cannot be used
    │   ├── ImageFormatError
    │   ├── ImageDecodeError
    │   └── ImageTooLargeError
    ├── ArchiveError             a zip or a folder of pictures cannot be used
    ├── FaceError                the picture is fine, but not the faces in it
    │   ├── NoFaceError
    │   ├── MultipleFacesError
    │   └── LowQualityError
    ├── AssetError               a file of the package is missing or altered
    ├── WeightsError             weights are missing, damaged or of another architecture
    ├── DeviceError              the device or number of threads asked for is not to be had
    ├── GalleryError             a gallery is damaged, or cannot do what was asked
    │   ├── GalleryMismatchError
    │   ├── GalleryNameError     a person's name cannot be used
    │   ├── GalleryUnavailableError
    │   ├── NameTakenError
    │   └── NotInGalleryError    no such person or example
    └── AlbumError               an album is damaged, or faces cannot be grouped

The library raises them; only the edges (`facehub/cli/`, `facehub/demo/`, `facehub/service/`) turn
them into messages. Each message is a sentence that a user can act on.
"""


class FaceHubError(Exception):
    """Base class: `except FaceHubError` catches all that facehub raises on purpose."""


class ImageError(FaceHubError):
    """A picture could not be used."""


class ImageFormatError(ImageError):
    """Not a picture of a format that is read, or an array of the wrong shape or dtype."""


class ImageDecodeError(ImageError):
    """The file is empty, truncated or damaged."""


class ImageTooLargeError(ImageError):
    """More bytes, pixels or work than the limits allow; found out before decoding."""


class ArchiveError(FaceHubError):
    """A zip or a folder of pictures cannot be read, or holds none."""


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


class DeviceError(FaceHubError):
    """The device or the number of threads that was asked for is not to be had."""


class GalleryError(FaceHubError):
    """A gallery file is damaged, or a gallery operation makes no sense."""


class GalleryUnavailableError(GalleryError):
    """Where a gallery is kept cannot be reached, read or written now; nothing has changed."""


class GalleryMismatchError(GalleryError):
    """A gallery holds templates from other weights than the ones in use."""


class GalleryNameError(GalleryError):
    """A person's name is empty or too long."""


class NameTakenError(GalleryError):
    """There is already a person of that name."""


class NotInGalleryError(GalleryError):
    """There is no such person or example."""


class AlbumError(FaceHubError):
    """An album is damaged, or faces cannot be grouped with these weights."""
