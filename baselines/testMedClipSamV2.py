"""MedCLIP-SAMv2, given a sentence for each phrase (tables 3 and 4 of the paper)."""

from gdinousam.commands.test import main

if __name__ == "__main__":
    main(program="python baselines/testMedClipSamV2.py", default_config="configs/baselines/test_medclip_samv2.yaml")
