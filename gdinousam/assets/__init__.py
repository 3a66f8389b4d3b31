"""What comes with the package beside code: the small models and, in a wheel, the example configs."""

from pathlib import Path

ASSETS = Path(__file__).parent


OLD_NAME = "~"  # before the name of a setting in earlier versions or the public repository, which still loads


def setting_names() -> list[str]:
    """The dotted keys of all settings, and old names of theirs behind ``OLD_NAME``; ``gdinousam config --names``."""
    return (ASSETS / "setting_names.txt").read_text(encoding="utf-8").split()


def example_configs() -> Path:
    """The folder of the example configs: a wheel carries it here, a checkout has it at its top."""
    carried = ASSETS / "configs"
    return carried if carried.is_dir() else ASSETS.parents[1] / "configs"
