"""Segment a test set from its phrases alone: ``python test.py --config configs/test_config.yaml``."""

from gdinousam.commands.test import main

if __name__ == "__main__":
    main(program="python test.py")
