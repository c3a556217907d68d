"""The servers of the pages: the studio, and the page of a running loop."""
