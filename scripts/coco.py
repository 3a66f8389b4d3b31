"""COCO files to and from the data contract: ``python scripts/coco.py import …`` and ``… export …``."""

from gdinousam.command_line.coco import main

if __name__ == "__main__":
    main()
