"""The stages that both sides are timed in, under one name each."""

DECODE = "decode"
PREPROCESS = "preprocess"
TEXT = "text"
BACKBONE = "backbone"
ENCODER_DECODER = "encoder and decoder"
MASK_ENCODER = "mask encoder"
MASK_DECODER = "mask decoder"
POSTPROCESS = "post-processing"
STAGES = (DECODE, PREPROCESS, TEXT, BACKBONE, ENCODER_DECODER, MASK_ENCODER, MASK_DECODER, POSTPROCESS)

FORWARD = "forward"
LOSS = "loss"
BACKWARD = "backward"
OPTIMIZER = "optimizer"
TRAINING_STAGES = (FORWARD, LOSS, BACKWARD, OPTIMIZER)
