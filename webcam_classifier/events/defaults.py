"""Default settings of the sinks, which the command line needs before it imports any."""

from __future__ import annotations

SECRET_VARIABLE = "WEBCAM_CLASSIFIER_WEBHOOK_SECRET"
"""The environment variable with the secret that webhooks are signed with."""

CLIP_SECONDS = 3.0
"""Seconds that a clip keeps before an event, and after it."""

CLIPS_SIZE_LIMIT = 1_000_000_000
"""The limit for all clips of a folder together, in bytes."""

UNCERTAIN_RATE = 6.0
"""At most this many uncertain pictures are kept an hour."""

UNCERTAIN_LIMIT = 500
"""At most this many uncertain pictures are kept in a folder."""
