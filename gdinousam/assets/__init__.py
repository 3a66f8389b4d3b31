"""What comes with the package beside code: the small model, in ``small/``, and in a wheel the example configs."""

from pathlib import Path

ASSETS = Path(__file__).parent


def example_configs() -> Path:
    """The folder of the example configs: a wheel carries it here, a checkout has it at its top."""
    carried = ASSETS / "configs"
    return carried if carried.is_dir() else ASSETS.parents[1] / "configs"
