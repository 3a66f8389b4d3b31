"""Print the page docs/configuration.md: ``python scripts/describe_config.py``."""

from gdinousam.commands.describe_config import main

if __name__ == "__main__":
    main(program="python scripts/describe_config.py")
