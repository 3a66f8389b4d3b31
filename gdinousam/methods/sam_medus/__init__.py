"""SAM-MedUS (approximation): our reading of the abstract of Tian and others (J. Med. Imaging 12(2), 027001, 2025).

Neither code nor weights are published. From the abstract: SAM's image encoder with a ConvNeXt V2 branch beside it and
convolutional blocks that join the two, SAM's prompt encoder and mask decoder, a boundary loss, images of 256 pixels.
All else is a guess, which ``docs/methods/sam_medus.md`` lists. ``encoder`` joins the two, ``network`` is the model,
``boundary`` the loss, ``weights`` reads and writes it and starts it from SAM.
"""
