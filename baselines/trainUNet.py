"""U-Net: trained from random weights, one channel per phrase; with --per-dataset one model for each dataset."""

from gdinousam.commands.train_baseline import main

if __name__ == "__main__":
    main("baselines/trainUNet.py", "configs/baselines/train_unet.yaml")
