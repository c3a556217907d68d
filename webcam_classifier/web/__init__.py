"""The page on which a camera is taught: its server."""
