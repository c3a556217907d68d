"""Data sets that come from other tools, and go to other machines."""
