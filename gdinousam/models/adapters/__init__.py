"""LoRA adapters: inserted, trained, saved, loaded and fetched."""
