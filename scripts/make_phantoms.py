"""Write a small dataset of generated images with exact masks: ``python scripts/make_phantoms.py OUT``."""

from gdinousam.commands.make_phantoms import main

if __name__ == "__main__":
    main(program="python scripts/make_phantoms.py")
