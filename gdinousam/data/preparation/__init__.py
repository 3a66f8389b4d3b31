"""From the release of a public dataset to files and rows of the data contract.

``prepare`` is the whole way for one dataset: ``archives`` unpacks, ``pictures`` writes images and masks, the splits
come from ``gdinousam.data.splits``, ``commit`` puts everything in place at once, ``report`` and ``preview`` show the
outcome.
"""
