"""What the command line has to know of sinks before it loads any."""

from __future__ import annotations

SECRET_VARIABLE = "WEBCAM_CLASSIFIER_WEBHOOK_SECRET"
"""The environment variable that holds the secret of a webhook's signature."""

CLIP_SECONDS = 3.0
"""How much of the time before an event, and after it, a clip keeps."""

CLIPS_SIZE_LIMIT = 1_000_000_000
"""Bytes that all clips of a folder take together, at most."""

UNCERTAIN_RATE = 6.0
"""Pictures an hour that are kept because the model was not sure of them, at most."""

UNCERTAIN_LIMIT = 500
"""Pictures that a folder of them holds, at most."""
