"""Look for what the splits of a prepared folder share: ``python scripts/audit_splits.py DATA``."""

from gdinousam.commands.audit_splits import main

if __name__ == "__main__":
    main(program="python scripts/audit_splits.py")
