"""BiomedParse, asked by a sentence for each phrase (tables 3, 4 and 6 of the paper)."""

from gdinousam.commands.test import main

if __name__ == "__main__":
    main(program="python baselines/testBiomedParse.py", default_config="configs/baselines/test_biomedparse.yaml")
