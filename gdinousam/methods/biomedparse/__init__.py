"""BiomedParse (Zhao and others, 2024), version 1: a sentence finds the mask of what it names.

Read settings.py first, then segmenter.py; the network is in network.py and the modules that it imports.
"""
