"""SAMUS, shown a click in every true object (tables 3 and 4 of the paper)."""

from gdinousam.commands.test import main

if __name__ == "__main__":
    main(program="python baselines/testSAMUS.py", default_config="configs/baselines/test_samus.yaml")
