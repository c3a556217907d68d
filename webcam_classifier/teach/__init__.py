"""Teaching a head on frozen features, without torch."""
