"""Labelled pictures on the disk: names, reading, splitting, what is wrong with them."""
