"""Draw overlays, box plots and training curves: ``python scripts/figures.py RESULTS... [--training RUN...]``."""

from gdinousam.commands.figures import main

if __name__ == "__main__":
    main(program="python scripts/figures.py")
