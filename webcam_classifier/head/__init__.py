"""The head: what is learnt on embeddings, and how well it does."""
