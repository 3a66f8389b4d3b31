"""Every sub-command of ``gdinousam``: its name, the module that runs it, and its line in ``gdinousam --help``."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from gdinousam.errors import InputError


@dataclass(frozen=True)
class Command:
    """One sub-command.

    name: as it is typed. module: in ``gdinousam.commands``; its ``main(arguments, program)`` runs the command and ends
    the program. help: what it does, in one line.
    """

    name: str
    module: str
    help: str


GROUPS = {
    "segment": (
        Command("predict", "predict", "segment images from phrases: masks, overlays, measurements"),
        Command("train", "train", "tune the detector, or train a small model, on your images"),
        Command("test", "test", "segment a test set and score it; compared methods by --config"),
        Command("operating-point", "operating_point", "choose thresholds on validation images"),
        Command("serve", "serve", "a page and an API for other programs, on this machine"),
    ),
    "data": (
        Command("check", "check_data", "check a CSV and the images and masks that it names"),
        Command("prepare", "prepare_dataset", "write a public dataset in the CSV layout, split and all"),
        Command("audit", "audit_splits", "look for images and patients that two splits share"),
        Command("import", "import_dataset", "what annotation tools write, and folders of masks, in the CSV layout"),
        Command("coco", "coco", "COCO files to and from the CSV layout"),
        Command("convert-medical", "convert_medical", "DICOM, NIfTI and MetaImage files as PNG images"),
        Command("phantoms", "make_phantoms", "generate images with exact masks"),
    ),
    "weights": (
        Command("download", "download_weights", "fetch pretrained weights by name"),
        Command("convert", "convert_checkpoint", "write an official weight file as a folder"),
        Command("export-adapter", "export_adapter", "merge a LoRA adapter into its detector"),
    ),
    "results": (
        Command("compare", "compare", "methods side by side, with paired tests: tables 3 and 4 of the paper"),
        Command("overview", "overview", "evaluations of anything, one line each"),
        Command("figures", "figures", "overlays, box plots and training curves"),
        Command("report", "report", "one HTML page with tables, plots and a gallery"),
        Command("benchmark", "benchmark", "seconds per image of a method: table 6"),
    ),
    "studies": (
        Command("ablation", "ablation", "what each part of the pipeline gives: table 2"),
        Command("study", "prompt_study", "how much the wording of a prompt matters: table 5"),
        Command("learning-curve", "learning_curve", "what tuning on few patients gives, beside a U-Net from scratch"),
        Command("train-baseline", "train_baseline", "train a compared method: U-Net, SAMUS, SAM-MedUS"),
        Command("pretrain", "pretrain_small", "retrain the bundled small model"),
    ),
    "settings": (
        Command("config", "describe_config", "describe every setting, or copy the example configs"),
        Command("doctor", "doctor", "what is here to run with: versions, devices, weights; what to do"),
    ),
}
"""The sub-commands, in the order and under the headings of the help."""


def commands() -> Iterator[Command]:
    """All sub-commands."""
    for group in GROUPS.values():
        yield from group


def find_command(name: str) -> Command:
    """The sub-command of this name; InputError with the nearest one where there is none.

    The name of the script that does the same, such as ``prepare_dataset``, is near too.
    """
    of_name = {command.name: command for command in commands()}
    if name in of_name:
        return of_name[name]
    near = {command.module: command.name for command in commands()} | {known: known for known in of_name}
    close = difflib.get_close_matches(name.removesuffix(".py").lower(), near, n=1, cutoff=0.6)
    hint = f"did you mean {near[close[0]]}?" if close else "--help lists all commands"
    raise InputError(f"{name!r} is not a command; {hint}")


def overview(program: str) -> str:
    """The help of the whole program. program: how it was called."""
    width = max(len(command.name) for command in commands())
    lines = [f"usage: {program} COMMAND ...", "", "Text-prompted segmentation of ultrasound images."]
    for heading, group in GROUPS.items():
        lines += ["", f"{heading}:", *(f"  {command.name:<{width}}  {command.help}" for command in group)]
    lines += ["", f"{program} COMMAND --help shows the options of a command, {program} --version the version.", ""]
    return "\n".join(lines)
