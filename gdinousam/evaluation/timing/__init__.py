"""Seconds per image: a clock of stages, what it measured of a method, and the paper's table 6 of several methods."""
