"""What developers measure and users do not need: speed beside the official code, parity with it, scaling, profiles.

Not in the wheel. This package may import all of ``gdinousam``; nothing there imports this.
"""
