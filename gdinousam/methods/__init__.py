"""The compared methods, one module or folder each, behind the interfaces of ``gdinousam.records``.

Methods that are shown a box or a click are ``HintedSegmenter``: who shows it, the truth, a detector or the user, is
not theirs to know. Methods that learn from examples are ``Segmenter``.
"""
