"""UniverSeg, shown 16 training images of the dataset with their masks (tables 3 and 4 of the paper)."""

from gdinousam.commands.test import main

if __name__ == "__main__":
    main(program="python baselines/testUniverSeg.py", default_config="configs/baselines/test_universeg.yaml")
