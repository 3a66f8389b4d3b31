"""``gdinousam serve``: segmentation over HTTP, on one machine, for a page, programs and annotation tools.

``app`` puts the server together. A request goes through ``access`` (who may ask), ``uploads`` (what may come in),
``batching`` (one thread with the models) and ``answers`` (what goes out). ``clips`` are jobs of their own.
"""
