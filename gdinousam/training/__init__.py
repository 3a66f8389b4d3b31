"""Training: matching, losses, the two tasks (detector, mask head), the loop and its checkpoints."""
