"""What annotation tools write, as records that the COCO import turns into the data contract.

``formats`` lists the readers and guesses the format of a source. Each reader gives ``AnnotatedImages``: the records of
a COCO file and the place of the images. ``shapes`` and ``findings`` are what the readers share, ``phrases`` reads
tables of phrases, ``importing`` runs an import.
"""
