"""SAM2 zero-shot: the untuned Grounding DINO and SAM2, from the phrase alone (table 2 of the paper, first column)."""

from gdinousam.commands.test import main

if __name__ == "__main__":
    main(program="python baselines/testSam2.py", default_config="configs/baselines/test_sam2.yaml")
