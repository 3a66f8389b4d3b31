"""Public ultrasound datasets: what a release holds, read into the package's terms.

``interface`` says what a dataset is; there is one module per dataset and ``registry`` lists them. ``pairing``,
``release_tables``, ``raw_masks`` and ``volumes`` hold what several of them need. Nothing here writes a file or knows of
splits: that is the part of ``gdinousam.data.preparation``. ``docs/datasets.md`` says how a dataset is added.
"""
