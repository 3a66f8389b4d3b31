"""What tuning on few patients gives: ``python scripts/learning_curve.py --config configs/small/heart_curve.yaml``."""

from gdinousam.commands.learning_curve import main

if __name__ == "__main__":
    main(program="python scripts/learning_curve.py")
