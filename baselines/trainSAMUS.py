"""SAMUS: trained from the weights of SAM ViT-B on clicks in true masks."""

from gdinousam.commands.train_baseline import main

if __name__ == "__main__":
    main(program="python baselines/trainSAMUS.py", default_config="configs/baselines/train_samus.yaml")
