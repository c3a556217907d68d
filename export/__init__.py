"""A taught model in other forms, each checked against the original on real pictures."""

import webcam_classifier  # noqa: F401 it settles how onnxruntime behaves, before that is imported
