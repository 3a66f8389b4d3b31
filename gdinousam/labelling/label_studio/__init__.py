"""Label Studio's machine-learning backend: it sends tasks with its labelling config, and gets results back.

``controls`` reads the config, ``images`` fetches the image of a task, ``results`` writes what was found as Label Studio
does, ``tuning`` trains on what was annotated, and ``routes`` are the addresses that Label Studio calls.
"""
