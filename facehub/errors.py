"""Every error that facehub raises on purpose.

    FaceHubError
    ├── ImageError               a picture cannot be used
    │   ├── ImageFormatError
    │   ├── ImageDecodeError
    │   └── ImageTooLargeError
    ├── ArchiveError             a zip or a folder of pictures cannot be used
    ├── FaceError                the picture is readable, but its faces cannot be used
    │   ├── NoFaceError
    │   ├── MultipleFacesError
    │   └── LowQualityError
    ├── AssetError               a file of the package is missing or altered
    ├── WeightsError             weights are missing, damaged or of another architecture
    ├── DeviceError              the requested device or number of threads is not available
    ├── GalleryError             a gallery is damaged, or an operation on it is invalid
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
    """Base class: `except FaceHubError` catches every error that facehub raises on purpose."""


class ImageError(FaceHubError):
    """A picture could not be used."""


class ImageFormatError(ImageError):
    """The picture has an unsupported format, or the array has the wrong shape or dtype."""


class ImageDecodeError(ImageError):
    """The file is empty, truncated or damaged."""


class ImageTooLargeError(ImageError):
    """The picture exceeds the limit on bytes, pixels or work; detected before decoding."""


class ArchiveError(FaceHubError):
    """A zip or a folder cannot be read, or holds no supported picture."""


class FaceError(FaceHubError):
    """The picture is readable, but its faces cannot be used."""


class NoFaceError(FaceError):
    """No face was found."""


class MultipleFacesError(FaceError):
    """Several faces were found, but exactly one was expected."""


class LowQualityError(FaceError):
    """A face has a quality issue that the caller chose to reject."""


class AssetError(FaceHubError):
    """A file of the package is missing or altered."""


class WeightsError(FaceHubError):
    """Weights are missing, damaged or of another architecture."""


class DeviceError(FaceHubError):
    """The requested device or number of threads is not available."""


class GalleryError(FaceHubError):
    """A gallery is damaged, or an operation on it is invalid."""


class GalleryUnavailableError(GalleryError):
    """The gallery's storage cannot be reached, read or written now; nothing has changed."""


class GalleryMismatchError(GalleryError):
    """A gallery holds templates of other weights than those in use."""


class GalleryNameError(GalleryError):
    """A person's name is empty or too long."""


class NameTakenError(GalleryError):
    """There is already a person of that name."""


class NotInGalleryError(GalleryError):
    """There is no such person or example."""


class AlbumError(FaceHubError):
    """An album is damaged, or faces cannot be grouped with these weights."""
