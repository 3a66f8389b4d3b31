"""Answers that are on disk already: masks that our own run keeps, and those of any other program, which are scored.

``settings`` says what is allowed. ``folder`` finds a mask file for each image and phrase and ``formats`` reads it,
``coco_results`` reads detections, both behind ``answers``; ``saved_masks`` is the method that the runner scores, at the
size that ``sizes`` brings truth and answer to. ``names`` and ``writing`` make the masks of our own runs.
"""
