"""Figures of evaluations: overlays as in the paper's figures 2 and 3, box plots, training curves, and the report."""
