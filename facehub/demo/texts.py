"""Every text of the page."""

from facehub.verification import Decision

TITLE = "facehub"
INTRO = """# facehub
Compare two faces, or build a small gallery and ask who is in a picture.
Your pictures stay in this server's memory for this session only: nothing is stored or logged.
"""

VERIFY_TAB = "Verify"
FIRST = "First picture"
SECOND = "Second picture"
SEVERAL = "Where a picture shows several faces"
POLICIES = [
    ("stop and say so", "exactly_one"),
    ("take the largest", "largest"),
    ("take the most similar pair", "best_pair"),
]
COMPARE = "Compare"
CLEAR = "Clear"
EXAMPLES = "Examples (public domain)"
EXAMPLE_GALLERY = "Try an example: replaces the gallery"
VERIFY_EMPTY = "Choose two pictures, then press Compare."
TWO_PICTURES = "Choose two pictures first."

VERDICTS = {
    Decision.SAME: ("Same person", "The two faces are similar enough to count as one person."),
    Decision.UNCERTAIN: (
        "Uncertain",
        "The similarity is just below the threshold. Try other pictures before you conclude.",
    ),
    Decision.DIFFERENT: ("Different people", "The two faces are not similar enough."),
    Decision.CANNOT_TELL: ("Cannot tell", ""),
}
SCORE = "similarity {similarity:.2f}, threshold {threshold:.2f}"
CALIBRATION = (
    "With these weights about 1 in {impostors:.0f} pairs of different people reach the threshold, "
    "and {fnmr:.0%} of pairs of one person miss it ({dataset})."
)
NOT_CALIBRATED = "The error rates of these weights at this threshold have not been measured."

IDENTIFY_TAB = "Identify"
STEP_ENROL = "### 1. Who should be recognised?"
STEP_PROBE = "### 2. Who is in this picture?"
NAME = "Name"
NAME_HINT = "Empty: each photo's file name is the name"
PHOTOS = "Photos of one face each"
SNAPSHOT = "Webcam or clipboard"
ENROL = "Add to gallery"
GALLERY_FILE = "Load a gallery file"
GALLERY_HINT = "Replaces the gallery. Made by `facehub enrol`."
LOADED = "{people} people, {photos} photos loaded."
PERSON = "Person"
NEW_NAME = "New name"
RENAME = "Rename"
REMOVE = "Remove person"
DELETE = "Delete the whole gallery"
PROBE = "Picture to search"
IDENTIFY = "Identify"
WALL_EMPTY = "The gallery is empty. It lasts for this session only."
PROBE_EMPTY = "Choose a picture, then press Identify."
NO_PHOTOS = "Choose at least one photo first."
NO_PROBE = "Choose a picture first."
NO_PERSON = "Choose a person first."
NO_FACE = "No face was found in this picture."
UNKNOWN = "unknown"
ENROLLED = "{count} added."
DELETED = "The gallery has been deleted."
FULL = "A session's gallery holds at most {limit} photos."
EXPIRED = "This picture has expired or did not arrive. Choose it again."
COUNT = ("{count} photo", "{count} photos")

LIMITS = """Similarity is not proof. There is no check that a face is alive rather than a photo of
one, and error rates differ between groups of people. Do not use this page to decide about anybody.
"""
