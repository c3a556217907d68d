"""What is known of a taught model, and its report."""
