"""The windows: what is drawn, and what the keys do."""
