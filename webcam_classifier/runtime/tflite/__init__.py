"""ONNX graphs of this program as TFLite files."""
