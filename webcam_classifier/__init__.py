"""What the scripts share: from a camera's frame to a label, and how a model is taught."""
