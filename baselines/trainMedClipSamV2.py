"""BiomedCLIP for MedCLIP-SAMv2, fine-tuned on images and the sentences of their phrases."""

from gdinousam.commands.train_baseline import main

if __name__ == "__main__":
    main(program="python baselines/trainMedClipSamV2.py", default_config="configs/baselines/train_medclip_samv2.yaml")
