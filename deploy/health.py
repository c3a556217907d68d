"""Tell a container's health check whether labels come: exit code 0 is yes.

    HEALTHCHECK CMD ["python", "/opt/teach-camera/health.py"]

Reads what `live --metrics PORT` serves. Healthy is a loop that labels frames, and one whose camera
is away and is being opened again, as a restart would do no better. It needs the standard library
alone.
"""

from __future__ import annotations

import re
import sys
import time
from urllib.error import URLError
from urllib.request import urlopen

ADDRESS = "http://127.0.0.1:9464/metrics"
_WITHIN = 5.0  # seconds for the next frame
_LOOK_EVERY = 0.2  # seconds


def problem_of(address: str, within: float = _WITHIN) -> str:
    """Say what is wrong; empty where labels come.

    Args:
        address: Of the metrics.
        within: Seconds in which another frame has to be labelled.
    """
    first, last = -1.0, time.monotonic() + within
    while True:
        try:
            with urlopen(address, timeout=within) as answer:
                text = answer.read().decode()
        except (URLError, OSError) as error:
            return f"no metrics at {address}: {error}"
        if 'webcam_classifier_label{label="no_picture"} 1.0' in text:
            return ""
        found = re.search(r"^webcam_classifier_frames_total (\S+)", text, re.MULTILINE)
        count = float(found[1]) if found else 0.0
        if -1.0 < first < count:
            return ""
        first = count if first < 0 else first
        if time.monotonic() > last:
            return f"no frame was labelled in {within:.0f} s"
        time.sleep(_LOOK_EVERY)


if __name__ == "__main__":
    problem = problem_of(sys.argv[1] if len(sys.argv) > 1 else ADDRESS)
    print(problem or "labels come")
    sys.exit(1 if problem else 0)
