"""What runs a graph: execution providers and sessions."""
