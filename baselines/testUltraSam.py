"""UltraSam, shown the box of every true object."""

from gdinousam.commands.test import main

if __name__ == "__main__":
    main(program="python baselines/testUltraSam.py", default_config="configs/baselines/test_ultrasam.yaml")
