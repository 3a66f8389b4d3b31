"""From a config to a run: training, evaluation, prediction and the studies made of them."""
