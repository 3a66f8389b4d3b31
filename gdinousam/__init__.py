"""Text-prompted segmentation of ultrasound images with a LoRA-tuned Grounding DINO and a frozen SAM2."""

__version__ = "0.1.0"
