"""How right a model is, and how sure that figure is."""
