"""Recorded trajectories and what acting on them costs. Imports nothing else of the project."""
