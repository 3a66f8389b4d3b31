"""U-Net: trained from random weights, one channel per phrase; with --per-dataset one model for each dataset."""

from gdinousam.commands.train_baseline import main

if __name__ == "__main__":
    main(program="python baselines/trainUNet.py", default_config="configs/baselines/train_unet.yaml")
