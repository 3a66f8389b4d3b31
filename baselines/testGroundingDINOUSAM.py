"""The paper's method: tuned Grounding DINO and SAM2, from the phrase alone. The same as ``python test.py``."""

from gdinousam.commands.test import main

if __name__ == "__main__":
    main(program="python baselines/testGroundingDINOUSAM.py")
