"""What one does with a built model and files of one's own: predict, measure, draw, and pass results on.

``segmenter`` is the way in, ``results`` what comes out.
"""
