"""Compare a passport photo with a selfie, and suggest what to do about an uncertain result.

    python examples/passport.py examples/eileen_collins.jpg examples/eileen_collins_tilted.jpg

Exit codes: 0 the same person, 1 different people, 3 manual check needed, 4 take another photo.
There is no liveness check: do not use this as the only control.
"""

from __future__ import annotations

import argparse

from facehub import Decision, FaceHubError, FaceRecognizer, LowQualityError, QualityIssue, verify

# A photo with one of these issues is refused.
REFUSED = {
    QualityIssue.SMALL_FACE,
    QualityIssue.BLURRED,
    QualityIssue.TOO_DARK,
    QualityIssue.CUT_OFF,
    QualityIssue.STRONG_YAW,
}
FMR = 1e-4  # one in 10,000 pairs of strangers is accepted


def main() -> int:
    """Compare two photos and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("document", help="the passport's photo")
    parser.add_argument("selfie", help="the photo to compare with it")
    args = parser.parse_args()
    recognizer = FaceRecognizer.from_pretrained()
    calibration = recognizer.spec.calibration
    threshold = None if calibration is None else calibration.similarity_at(FMR)
    if threshold is not None:
        recognizer = recognizer.with_threshold(threshold)
    try:
        result = verify(args.document, args.selfie, reject_issues=REFUSED, recognizer=recognizer)
    except LowQualityError as error:
        print(f"Take another photo: {error}")
        return 4
    except FaceHubError as error:  # no picture, too large, damaged
        print(f"This photo cannot be used: {error}")
        return 4
    if result.decision is Decision.CANNOT_TELL:
        print(f"Take another photo: {result.reason}")
        return 4
    print(f"{result.decision}: similarity {result.similarity:.3f}, from {result.threshold:.3f}")
    return {Decision.SAME: 0, Decision.DIFFERENT: 1}.get(result.decision, 3)


if __name__ == "__main__":
    raise SystemExit(main())
