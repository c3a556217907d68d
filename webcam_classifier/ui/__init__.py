"""The windows: what they draw, and what their keys do."""
