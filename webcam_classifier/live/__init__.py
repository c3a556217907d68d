"""The loop from a frame to its label, and the switch to another model while it runs."""
