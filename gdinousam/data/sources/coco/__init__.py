"""COCO files to and from the data contract: annotation tools and collections such as UltraSam's speak it.

``reading`` understands a file, ``segmentation`` its masks, ``importing`` makes a split of the contract from it (through
``phrases``, ``file_names``, ``instances`` and ``writing``), ``exporting`` goes the other way. What the contract knows
and COCO does not (dataset, group, absent phrases) travels in further fields of the image records, which other programs
pass over.
"""
