"""SAMUS (Lin and others, MICCAI 2024): SAM ViT-B adapted to ultrasound of 256 x 256 pixels, shown clicks.

Beside SAM's image encoder runs a convolutional branch that its global blocks attend to, with small adapters between;
prompt encoder and mask decoder are SAM's. ``network`` is the model, ``weights`` reads and writes it, ``segmenter``
shows it images and clicks as published.
"""
