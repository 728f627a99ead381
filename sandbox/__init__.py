"""Runs untrusted controller source and returns what it did. Never sees an answer key."""
