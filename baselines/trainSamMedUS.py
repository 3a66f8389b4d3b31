"""SAM-MedUS (approximation): trained from the weights of SAM ViT-B on true boxes."""

from gdinousam.commands.train_baseline import main

if __name__ == "__main__":
    main(program="python baselines/trainSamMedUS.py", default_config="configs/baselines/train_sam_medus.yaml")
