"""Choose thresholds on validation images: ``python scripts/operating_point.py --config configs/test_config.yaml``."""

from gdinousam.commands.operating_point import main

if __name__ == "__main__":
    main(program="python scripts/operating_point.py")
