"""Look for what the splits of a prepared folder share: ``python scripts/audit_splits.py DATA``."""

from gdinousam.command_line.audit_splits import main

if __name__ == "__main__":
    main()
