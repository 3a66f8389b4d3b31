"""Write a weight file of another origin as a folder: ``python scripts/convert_checkpoint.py SOURCE OUT``."""

from gdinousam.commands.convert_checkpoint import main

if __name__ == "__main__":
    main(program="python scripts/convert_checkpoint.py")
