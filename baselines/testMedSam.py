"""MedSAM in the boxes of the tuned detector (table 2 of the paper, second column)."""

from gdinousam.commands.test import main

if __name__ == "__main__":
    main(program="python baselines/testMedSam.py", default_config="configs/baselines/test_medsam.yaml")
