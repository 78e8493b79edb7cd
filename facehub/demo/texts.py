"""Every text of the page."""

from facehub.gallery.review import ReviewReason
from facehub.model.calibration import BEYOND_MEASURED
from facehub.quality import ADVICE as GENERAL_ADVICE
from facehub.results import Decision, QualityIssue

TITLE = "facehub"
INTRO = """# facehub
Compare two faces, find who of a gallery is in a photo, or group an album by person, each with the
odds of a chance match.

**Try it**: an example is one click away in every tab.

**Not for decisions about people**: similarity is no proof, a photo of a photo counts as a face, and
errors are more frequent for some groups.
"""
CONSENT = (
    "By adding a picture you confirm that you may use it and that the people in it agree. "
    "Pictures and faces are kept for this session only, and nothing about them is logged."
)
CONSENT_SHARED = (
    "By adding a picture you confirm that you may use it and that the people in it agree. "
    "This server keeps one gallery for all its users: enrolled faces stay in it until removed; "
    "pictures do not."
)

# Where the browser gives no webcam, by the name of its error.
CAMERA = {
    "NotAllowedError": "This page may not use the camera. Allow it in the browser's address bar, "
    "or choose a file instead.",
    "NotFoundError": "No camera was found. Connect one, or choose a file instead.",
    "NotReadableError": "Another program uses the camera. Close that program and try again, or "
    "choose a file instead.",
    "insecure": "Browsers lend the camera to pages with https only. Choose a file instead.",
    "other": "The camera cannot be used. Choose a file instead.",
}

DOWNLOAD = "Download {file}"
DOWNLOAD_PICTURE = "Download the picture with names"
DOWNLOADED_PICTURE = "faces.jpg"

# --- Verify ---------------------------------------------------------------------------------------
VERIFY_TAB = "Verify"
FIRST = "First picture"
SECOND = "Second picture"
FIRST_FACE = "Which face of the first picture?"
SECOND_FACE = "Which face of the second picture?"
FACE = "Face {number}"
COMPARE = "Compare"
SWAP = "Swap"
CLEAR = "Clear"
EXAMPLE_SAME = "Example: one person"
EXAMPLE_DIFFERENT = "Example: two people"
EXAMPLES = "Public-domain portraits: NASA (Eileen Collins), US Navy (Grace Hopper)."
VERIFY_EMPTY = "Choose two pictures. They are compared as soon as both are there."
ONE_MORE = "Choose another picture to compare with this one."
READING = "Looking for faces \u2026"
NOT_READ = "The picture was not read. Choose it again."
TWO_PICTURES = (
    "Two pictures are needed. If both are shown here, your session has expired: choose them again."
)
NO_SUCH_FACE = "The picture has no such face. Choose the picture again."
ONE_FACE = "One face found."
FACES = "{count} faces found: choose one below. The largest is chosen now."
NO_FACE_HERE = "No face was found. Use a picture that shows the face clearly."

ADVICE = {
    **GENERAL_ADVICE,
    QualityIssue.SEVERAL_FACES: "The picture shows several faces: if this is not the one you mean, "
    "choose another one below the picture.",
}
VERDICTS = {
    Decision.SAME: ("Same person", "The two faces are similar enough to count as one person."),
    Decision.UNCERTAIN: (
        "Uncertain",
        "The similarity is just below the threshold. Try other pictures before you conclude.",
    ),
    Decision.DIFFERENT: ("Different people", "The two faces are not similar enough."),
    Decision.CANNOT_TELL: (
        "Cannot tell",
        "What helps: a sharp, well-lit picture that shows the face upright and from the front, "
        "close enough to see the eyes, with no mask or dark glasses.",
    ),
    Decision.UNCALIBRATED: (
        "No decision",
        "These weights are not calibrated: no similarity is known from which two faces count as "
        "one person. The host of this page can set one with FACEHUB_THRESHOLD.",
    ),
}
SCORE = "similarity {similarity:.2f}, threshold {threshold:.2f}, uncertain from {low:.2f}"
SCORE_UNCALIBRATED = "similarity {similarity:.2f}"
STRANGERS = "About 1 in {n} pairs of strangers score this high with these weights{beyond}."
STRANGERS_FEWER = (
    "Fewer than 1 in {n} pairs of strangers score this high with these weights{beyond}."
)
STRANGERS_MOST = "Most pairs of strangers score this high with these weights."
ONE_PERSON = "About 1 in {n} pairs of one person score this low with these weights."
ONE_PERSON_FEWER = "Fewer than 1 in {n} pairs of one person score this low with these weights."
ONE_PERSON_MOST = "Most pairs of one person score this low with these weights."
BEYOND = f" ({BEYOND_MEASURED})"
MISSED = "{fnmr:.0%} of pairs of one person miss the threshold."
MEASURED = "Measured on {dataset}."
NOT_CALIBRATED = "The error rates of these weights have not been measured."
ALIGNED = "aligned face"
SHARE = "Result as text, without the faces"
SHARED = (
    "facehub: {title}. Similarity {similarity:.2f}, {threshold}.{sentence} "
    "Weights {fingerprint}. Similarity is not proof."
)

SHARED_THRESHOLD = "threshold {threshold:.2f}"
SHARED_UNCALIBRATED = "weights not calibrated"

# --- Identify -------------------------------------------------------------------------------------
IDENTIFY_TAB = "Identify"
STEP_PROBE = "## Who is in this picture?"
STEP_ENROL = "## Gallery: who can be recognised"
NAME = "Name"
NAME_HINT = "Empty: taken from the folder, zip or file"
PHOTOS = "Photos, zips or folders"
DROPPED_LEFT_OUT = "Dropped files that were left out, {count}: {names}"
NOTHING_DROPPED = "Nothing dropped can be used: no supported picture and no zip was found."
SNAPSHOT = "Webcam or clipboard"
ENROL = "Add to gallery"
STOP = "Stop adding"
PROGRESS = "{seen} of {total} photos"
STOPPED = "Stopped after {seen} of {total} photos."
SEVERAL_WAIT = (
    "{count} photo shows several faces: choose one below.",
    "{count} photos show several faces: choose one of each below.",
)
WHICH_OF_SEVERAL = "{source} shows {count} faces. Which one is {name}?"
WHICH_FACE = "Face to add"
ADD_FACE = "Add this face"
LEAVE_OUT = "Leave the photo out"
NONE_WAITING = "No photo is waiting. If one is shown, your session has expired: add it again."
CHOOSE_FACE = "Choose a face first."
TOO_MANY_FACES = "{count} faces were found where one is needed. Crop the photo to one face."
GALLERY_FILE = "Load a gallery file"
GALLERY_HINT = "Replaces the gallery. Made by `facehub enrol`."
LOADED = "{people} with {photos} loaded."
CHANGE = "Change the gallery"
PERSON = "Person"
PHOTO = "One photo of this person"
NEW_NAME = "New name"
MERGE_WITH = "Same person as"
RENAME = "Rename"
MERGE = "Merge"
REMOVE_PHOTO = "Remove photo"
REMOVE = "Remove person"
UNDO = "Undo"
UNDONE = "The last change is undone."
NOTHING_TO_UNDO = "There is nothing to undo."
REMOVED = "{name} is removed. This can be undone until the next change."
REMOVED_PHOTO = "A photo of {name} is removed. This can be undone until the next change."
RENAMED = "{name} is now called {new_name}."
MERGED = "The photos of {name} now belong to {into}."
DELETE = "Delete the whole gallery"
PROBE = "Picture to search"
IDENTIFY = "Identify"
LIVE = "Live webcam"
LIVE_EMPTY = (
    "Start the webcam to see who is in front of it. No frame is kept. {count} visitors can be live "
    "at once, each for {minutes:.0f} minutes at a time."
)
EXAMPLE_GALLERY = "Try an example"
WALL_EMPTY = "The gallery is empty. It lasts for this session only."
WALL_EMPTY_SHARED = "The gallery is empty. All users share it, and it lasts until it is changed."
PROBE_EMPTY = "Choose a picture. Its faces are looked up in the gallery at once."
FOUND = ("{count} face found", "{count} faces found")
NOBODY_KNOWN = "Nobody from the gallery"
UNKNOWN_FACES = ("{count} face is unknown.", "{count} faces are unknown.")
NO_PHOTOS = "Choose at least one photo first."
NO_NAME = "Type a name for the webcam picture."
NO_PROBE = (
    "Choose a picture first. If one is shown here, your session has expired: choose it again, and "
    "add the people again."
)
NOBODY = "The gallery is empty: add people, or name a face of this picture."
NO_PERSON = "Choose a person first."
NO_OTHER = "Choose whom to merge with first."
NO_SUCH_PERSON = (
    "This person is no longer in the gallery. If nobody is, your session has expired: add the "
    "photos again."
)
NO_PHOTO = "Choose one of the person's photos first."
NAME_FACE = "Name a face of this picture"
FACE_TO_NAME = "Face"
FACE_NAME = "Who it is"
GONE = "This photo is no longer in the gallery."
NO_FACE = "No face was found in this picture."
UNKNOWN = "unknown"
NOT_NAMED = "not named"
SEARCHED = "searched picture"
COLUMNS = ("Face", "Result", "Candidates")
API_IDENTIFY = "Send photo, people and as many names."
ENROLLED = "{count} added."
ENROLLED_KNOWN = "{count} added, {known} already there."
DELETED = "The gallery has been deleted."
CONFIRM_DELETE = "Delete everybody in the gallery? This cannot be undone."
CONFIRM_REPLACE = "Replace everybody in the gallery?"
NOT_REPLACED = "All users share this gallery: an example does not replace it."
UNAVAILABLE = "This server cannot use its gallery now. Nothing has changed. Try again later."
FULL = "A gallery holds at most {limit} photos here."
TOO_MANY_ZIPS = "At most {limit} zips can be added in one go."
TOO_MANY = "At most {limit} pictures can be added in one go."
OTHER_LENGTH = "The gallery's templates have another length than those of these weights."
EMPTY_ZIP = "This zip holds no supported picture."
SEVERAL_FOLDERS = (
    "The photos lie in several folders, but one name was given. Leave the name empty to take each "
    "folder as a person."
)
LEFT_OUT = "{upload}: {count} left out, {reason}: {names}."
AND_MORE = " and {count:,} more"
NO_FILE = "An upload holds files only."
NO_JSON = "This request must hold a JSON object."
NOT_YOURS = "This session belongs to somebody else. Reload the page."
ELSEWHERE = "Another site may not do this."
TOO_MANY_LOGINS = "Too many failed logins. Try again later."
UNEXPECTED = "Something unexpected has happened."
NO_ADDRESS = "Send the picture itself, not its address."
DAMAGED = "This picture arrived damaged. Choose it again."
TOO_LARGE = "This request is too large."
UPLOADS_FULL = "This server has no room for more uploads now. Try again in a few minutes."
EXPIRED = "This picture has expired or did not arrive. Choose it again."
COUNT = ("{count} photo", "{count} photos")
MORE_PEOPLE = "and {count:,} more"
PEOPLE = ("{count} person", "{count} people")
FINDINGS = "Please check:"
MERGE_FOUND = "Merge {name} with {other}"
FINDING = {
    ReviewReason.DUPLICATE: "{name}: {source} is a copy of {other_source} ({other}).",
    ReviewReason.OUTLIER: "{name}: {source} does not look like the other photos of {name} "
    "(similarity {similarity:.2f}).",
    ReviewReason.TWO_NAMES: "{name}: {source} looks like {other} ({other_source}), similarity "
    "{similarity:.2f}. The same person under two names?",
}
LIMIT = (
    "A face is named from similarity {threshold:.2f} up, so that at most about 1 in {n:.0f} "
    "strangers is taken for somebody in a gallery of {photos}."
)
LIMIT_RAISED = " That is higher than the {base:.2f} for one photo, as the gallery is large."
LIMIT_BEYOND = f" It lies {BEYOND_MEASURED}."
ODDS = "At most about 1 in {n} strangers reaches {similarity:.2f} with somebody here{beyond}."
ODDS_MOST = "Most strangers reach {similarity:.2f} with somebody here."
LIMIT_PLAIN = "A face is named from similarity {threshold:.2f} up."
LIMIT_UNCALIBRATED = (
    "Nobody is named, as these weights are not calibrated: no similarity is known from which two "
    "faces count as one person. The host of this page can set one with FACEHUB_THRESHOLD."
)
APPROXIMATE = "This search is approximate: somebody in the gallery may have been missed."

# --- Album ----------------------------------------------------------------------------------------
ALBUM_TAB = "Album"
ALBUM_STEP = "## Whose faces are in these photos?"
ALBUM_FIND = "Group the faces"
ALBUM_STOP = "Stop reading"
ALBUM_GROUPS = "Choose one group to name it, or several to merge them"
ALBUM_GROUP = "Group {number}"
ALBUM_NAME = "Name of the group"
ALBUM_SET_NAME = "Name it"
ALBUM_SEND = "Add named groups to the gallery"
ALBUM_FORGET = "Forget the album"
ALBUM_EXAMPLE = "Try an example"
ALBUM_EMPTY = (
    "Choose photos, then press Group the faces. They are grouped by person; the album lasts for "
    "this session only."
)
ALBUM_NO_FACE = "No face was found in these photos."
ALBUM_FOUND = (
    "Faces: {faces}, in {photos}. Groups of several faces: {groups}. Single faces: {singles}."
)
ALBUM_FULL = "An album holds at most {limit} faces here; the photos after that were left out."
ALBUM_CHOOSE = "Choose a group first."
ALBUM_ONE = "Choose one group to name."
ALBUM_TWO = "Choose two groups or more to merge."
ALBUM_GONE = "A chosen group is no longer in the album. Choose again."
ALBUM_TAKEN = "There is already a group named {name}: choose both and press Merge."
ALBUM_NO_NAME = "Name a group first: groups without a name are not added."
ALBUM_EXPIRED = "There is no album, or the session has expired: choose the photos again."
ALBUM_SENT = "Gallery of the Identify tab: {report}"

# --- About ----------------------------------------------------------------------------------------
ABOUT_TAB = "About"
ABOUT = """## What this is
facehub finds the face with MediaPipe's landmarks, aligns it by {points}, turns it into {size}
numbers (an embedding) with {network}, and compares embeddings by their cosine similarity.

Weights: `{fingerprint}`, running on {engine}.
"""
ABOUT_POINTS = {2: "the pupils", 5: "pupils, nose and mouth"}
ABOUT_RESNET, ABOUT_ONNX = "a ResNet18", "the network {file}"
ABOUT_UNCALIBRATED = (
    "These weights are not calibrated: the page shows similarities, but decides nothing and names "
    "nobody. The host can set a threshold with FACEHUB_THRESHOLD."
)
ABOUT_LFW = (
    "On LFW, a public test of 6,000 pairs, these weights are right in {accuracy:.1f} % of pairs "
    "(10 folds). "
)
ABOUT_LFW_THRESHOLD = (
    "At the threshold {threshold:.3f} they accept {fmr:.2f} % of pairs of different people and "
    "reject {fnmr:.1f} % of pairs of one person. "
)
ABOUT_LFW_TEACHERS = (
    "The networks that such weights are distilled from may have been trained on pictures of people "
    "in LFW, which would flatter them."
)
ABOUT_THRESHOLDS = "## Thresholds\nMeasured on {dataset}: {impostor:,} pairs of different people."
ABOUT_COLUMNS = ("Strangers taken for one person", "Threshold", "Pairs of one person missed")
ABOUT_BEYOND = f" ({{low:.3f}} to {{high:.3f}}, {BEYOND_MEASURED})"
ABOUT_CURVE = (
    "Share of pairs that each threshold gets wrong, on a logarithmic scale: the higher the "
    "threshold, the fewer different people are accepted, and the more pairs of one person are "
    "rejected."
)
ABOUT_CURVE_AT = (
    " At {threshold:.2f}, {fmr:.2%} of different people are accepted, and {fnmr:.1%} of pairs of "
    "one person are rejected."
)
ABOUT_CURVE_LABELS = ("different people accepted (FMR)", "one person rejected (FNMR)")
ABOUT_CURVE_X = "cosine similarity"
ABOUT_CURVE_MARK = "threshold {threshold:.2f}"
ABOUT_PICTURES = {
    "evaluation.png": "ROC and similarities on LFW",
    "curves.png": "Loss, accuracy, margin and learning rate by epoch",
}
ABOUT_LIMITS = """## What is not claimed
- **No liveness**: a photo of a photo counts as a face. Do not use this for access control.
- **Similarity is not proof**, and error rates differ between groups of people. They were not
  measured by sex, age or skin tone. Relatives, children, small, blurred, covered or turned faces go
  wrong most.
- **No decision about a person** should rest on this page.

## Privacy
- Uploaded files lie in one private folder: {where}. Each is removed when it has been read, or after
  ten minutes if nothing was done with it.
- A session's pictures and gallery are in memory, and forgotten {minutes} minutes after their last
  use, or five minutes after the page is closed. Who was removed from the gallery can be brought
  back until the next change, and is forgotten then.
- Embeddings never leave the server. Nothing about faces is logged. There is no history.
"""
ABOUT_IN_MEMORY, ABOUT_ON_DISK = "in memory", "on this server's disk, for want of memory"
ON_DISK = (
    "Uploads lie on a disk until they are read, in {folder}: {memory} has less than 1 GiB free."
)
ABOUT_SHARED = "- This server's host keeps one gallery on its disk, which all its users share.\n"
