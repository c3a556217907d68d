"""MediaPipe's hand landmarks and a linear classifier on them: the strongest baseline for hands.

The first hand's 21 points, x and y in pixels, relative to the wrist and divided by the largest of
them, as https://github.com/Kazuhito00/hand-gesture-recognition-using-mediapipe does it; then
scikit-learn's logistic regression with its defaults. A picture without a hand becomes zeros, and a
last number says whether there was one, so that a label like `none` can be told by it. Settings of
https://github.com/google-ai-edge/mediapipe/blob/master/docs/solutions/hands.md: static pictures,
one hand, all else the default. Depth as a third coordinate, other scales and a stronger classifier
came out alike (thumbs 0.91 to 0.93, rooms 0.70 to 0.73).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2

# These come with its own environment, and are no requirement of the project.
import mediapipe  # type: ignore[import-not-found,unused-ignore]
import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from benchmarks.baselines.exchange import Answer, Job, serve

_POINTS = 21
_MOST_STEPS = 5000  # of the solver, so that it is done before


def train_and_test(job: Job) -> Answer:
    """Find hands, fit, answer."""
    training = landmarks(job.training_paths())
    classifier = LogisticRegression(max_iter=_MOST_STEPS)
    classifier.fit(training, job.training_labels())
    seconds = job.seconds()
    test = landmarks(job.test_paths())
    found = int(test[:, -1].sum())
    return Answer(
        classifier.predict_proba(test).tolist(),
        seconds,
        versions={"mediapipe": mediapipe.__version__, "scikit-learn": sklearn.__version__},
        notes=(f"a hand was found on {found} of {len(test)} test pictures",),
    )


def landmarks(paths: Iterable[Path]) -> NDArray[np.float64]:
    """Return each picture's features, (pictures, 43)."""
    rows = []
    # A new tracker for each call: it carries nothing from one picture to the next in this mode.
    with mediapipe.solutions.hands.Hands(static_image_mode=True, max_num_hands=1) as hands:
        for path in paths:
            image = cv2.imread(str(path))
            if image is None:
                raise ValueError(f"{path} is no picture that OpenCV reads")
            height, width = image.shape[:2]
            result = hands.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
            points = np.zeros((_POINTS, 2))
            if result.multi_hand_landmarks:
                hand = result.multi_hand_landmarks[0].landmark
                points = np.array([[point.x * width, point.y * height] for point in hand])
                points -= points[0]
                points /= np.abs(points).max()
            rows.append(np.append(points.ravel(), float(bool(result.multi_hand_landmarks))))
    return np.stack(rows)


if __name__ == "__main__":
    serve(train_and_test)
