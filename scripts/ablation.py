"""What each part of the pipeline gives, table 2 of the paper: ``python scripts/ablation.py``."""

from gdinousam.commands.ablation import main

if __name__ == "__main__":
    main(program="python scripts/ablation.py")
