"""Heads: faces with known points, where they are and where they look."""
