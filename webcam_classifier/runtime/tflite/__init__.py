"""Convert the ONNX graphs of this program to TFLite files."""
