"""The text that an explorer model is sent. Knows nothing of how the figures in it came about."""
