"""Mask heads: SAM2 and SAM, shown boxes."""
