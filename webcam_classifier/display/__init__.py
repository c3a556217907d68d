"""Text and windows."""
