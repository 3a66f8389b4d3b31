"""YAML files into checked settings, the only way in which settings reach the package.

A config is a YAML file of groups; ``--set group.key=value`` on the command line replaces single values. Unknown keys,
wrong types and impossible values are errors that name the key and the nearest correct one. The keys of the paper's
public repository keep loading, with a warning where the name changed here.
"""

from gdinousam.experiments.config.evaluation import (
    OUR_METHOD,
    EvaluationSettings,
    RunSettings,
    TestConfig,
    TestData,
    ValidationData,
)
from gdinousam.experiments.config.loading import RENAMED_KEYS, dump_config, load_config, setting_names
from gdinousam.experiments.config.training import (
    AnyTrainConfig,
    BaselineTrainConfig,
    TrainConfig,
    TrainModelSettings,
)
from gdinousam.methods.config import ModelSettings
from gdinousam.methods.registry import PredictConfig
from gdinousam.training.images import TrainData

__all__ = [
    "OUR_METHOD",
    "RENAMED_KEYS",
    "AnyTrainConfig",
    "BaselineTrainConfig",
    "EvaluationSettings",
    "ModelSettings",
    "PredictConfig",
    "RunSettings",
    "TestConfig",
    "TestData",
    "TrainConfig",
    "TrainData",
    "TrainModelSettings",
    "ValidationData",
    "dump_config",
    "load_config",
    "setting_names",
]
