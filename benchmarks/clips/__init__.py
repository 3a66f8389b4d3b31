"""Clips followed from frame to frame, against every frame on its own."""
