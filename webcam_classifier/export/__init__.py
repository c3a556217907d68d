"""A trained model in other precisions, each checked against the original on real pictures."""

# Before a module here imports `onnxruntime.quantization`, and onnxruntime with it.
import webcam_classifier.private_onnxruntime  # noqa: F401
