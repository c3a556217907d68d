"""What the scripts share: from a camera's frame to a label, and how a model is taught."""

import os

# The official onnxruntime builds for Linux report to their maker, from 1.29 on, which models are
# run: their file names and hashes. Nothing here leaves the device, so that is switched off, before
# onnxruntime is imported anywhere. Whoever wants it can set the variable to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
