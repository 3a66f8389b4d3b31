"""Grounding DINO: the network with its own attention, and the boxes that it finds for a phrase."""
