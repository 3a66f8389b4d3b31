"""Models: the detector (Grounding DINO with LoRA), the frozen mask head (SAM2) and the segmenter that joins them."""
