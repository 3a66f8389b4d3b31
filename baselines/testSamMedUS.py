"""SAM-MedUS (approximation), trained by baselines/trainSamMedUS.py, with the boxes of the tuned detector."""

from gdinousam.commands.test import main

if __name__ == "__main__":
    main(program="python baselines/testSamMedUS.py", default_config="configs/baselines/test_sam_medus.yaml")
