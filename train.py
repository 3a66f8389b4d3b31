"""Tune Grounding DINO on ultrasound images: ``python train.py --config configs/train_config.yaml``."""

from gdinousam.commands.train import main

if __name__ == "__main__":
    main(program="python train.py")
