"""Recording labelled snapshots."""
