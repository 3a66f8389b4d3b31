"""The labelling tools that people use, with our models as their helper.

``label_studio`` answers Label Studio as its machine-learning backend, on the server of ``gdinousam serve``. ``cvat`` is
a function for CVAT's automatic annotation. What these tools export is read by ``gdinousam.data.sources.annotations``.
"""
