"""COCO files to and from the data contract: ``python scripts/coco.py import …`` and ``… export …``."""

from gdinousam.commands.coco import main

if __name__ == "__main__":
    main(program="python scripts/coco.py")
