"""Teaching while the camera runs: recording, learning beside the picture, and jobs."""
