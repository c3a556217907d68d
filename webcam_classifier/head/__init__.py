"""The head: a linear classifier on embeddings, and its cross-validation."""
