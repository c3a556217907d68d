"""The analysis of a trained model, and its report."""
