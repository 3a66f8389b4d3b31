"""Methods: ours, its references, masks on disk, and every compared method, a folder each.

A folder holds settings, loading, segmenting and, where the method learns, its training. ``registry`` gathers them;
``interface`` says what each of them is to the rest. Methods that are shown a box or a click are ``HintedSegmenter``:
who shows it, the truth, a detector or the user, is not theirs to know.
"""
