"""The server of the page on which a classifier is trained with a camera."""
