"""Writes predictions in the formats of other programs."""
