"""The commands: train, test, predict. Each parses its arguments, loads a config and calls the package."""
