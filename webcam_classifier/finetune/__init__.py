"""Training layers with torch."""
