"""The model file: its card, its predictions, and writing it."""
