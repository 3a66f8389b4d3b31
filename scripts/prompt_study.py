"""How much the wording of a prompt matters, table 5 of the paper: ``python scripts/prompt_study.py``."""

from gdinousam.commands.prompt_study import main

if __name__ == "__main__":
    main(program="python scripts/prompt_study.py")
