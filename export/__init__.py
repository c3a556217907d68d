"""A taught model in other forms, each checked against the original on real pictures."""
