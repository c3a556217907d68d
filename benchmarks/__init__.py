"""Reproducible comparisons with what a user would pick instead."""

import os

# Before onnxruntime is imported, which some of these do in environments that hold little else: its
# builds for Linux report to their maker which models are run.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
