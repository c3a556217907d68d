"""Reproducible comparisons with what a user would pick instead."""

import webcam_classifier  # noqa: F401 it settles how onnxruntime behaves, before that is imported
