"""The loop from a frame to its label on the screen, and the runtime it takes."""
