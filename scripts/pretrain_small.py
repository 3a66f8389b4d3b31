"""Train the small model that comes with the package: ``python scripts/pretrain_small.py --images FOLDER``."""

from gdinousam.commands.pretrain_small import main

if __name__ == "__main__":
    main(program="python scripts/pretrain_small.py")
