"""MedCLIP-SAM, given a sentence for each phrase (tables 3 and 4 of the paper)."""

from gdinousam.commands.test import main

if __name__ == "__main__":
    main(program="python baselines/testMedClipSam.py", default_config="configs/baselines/test_medclip_sam.yaml")
