"""What each part of the pipeline gives, table 2 of the paper: ``python scripts/ablation.py``."""

from gdinousam.command_line.ablation import main

if __name__ == "__main__":
    main()
