"""Write a public dataset in the data contract: ``python scripts/prepare_dataset.py NAME --raw RELEASE``."""

from gdinousam.commands.prepare_dataset import main

if __name__ == "__main__":
    main(program="python scripts/prepare_dataset.py")
