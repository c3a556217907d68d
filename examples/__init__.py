"""Small programs around a taught camera; run them as `python -m examples.robot`."""
