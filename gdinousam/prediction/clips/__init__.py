"""Clips and volumes, frame by frame: the detector looks at key frames, and in between each mask is carried on.

``segmenting`` is the way in, ``tracking`` the rules by which objects are found, kept, lost and found again. Carrying is
by optical flow and the mask head (``flow``), or by SAM2's memory where the weights have one (``memory``).
"""
