"""GroundingDINO-US-SAM and its two references without a detector."""
