"""A plain supervised U-Net, one sigmoid channel per phrase: the reference that reads no text and sees no prompt."""
