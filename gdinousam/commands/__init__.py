"""One module per sub-command of ``gdinousam``, as ``table`` lists them: it parses arguments and calls the package."""
