"""A plain U-Net that baselines/trainUNet.py trained on the same splits: no method of the paper, but a reference."""

from gdinousam.commands.test import main

if __name__ == "__main__":
    main(program="python baselines/testUNet.py", default_config="configs/baselines/test_unet.yaml")
