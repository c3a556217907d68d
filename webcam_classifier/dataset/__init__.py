"""Labelled pictures on the disk: recording, reading, splitting, and what is in them."""
