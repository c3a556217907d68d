"""Every source of pictures behind one protocol."""
