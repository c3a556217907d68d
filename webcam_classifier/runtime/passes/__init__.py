"""Graph passes: the same numbers, written so that a runtime is faster."""
