"""Which images of a prepared dataset are for training, validation and testing, and the list file that says so.

``paper_split`` follows the rule behind table 1 of the paper, ``grouped_split`` keeps every patient, volume or other
group in one split, ``set_aside`` takes examples out of what is tested, ``split_list`` writes and reads the outcome, and
``nested`` draws growing parts of a training set. Nothing here opens a picture.
"""
