"""UltraSam, shown a box or a click."""
