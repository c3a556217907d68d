"""Pretrained networks, and the embeddings that they give."""
