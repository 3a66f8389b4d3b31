"""Which tags of a labelling config take what is found, and under which names."""

from __future__ import annotations

import pytest

from gdinousam.errors import InputError
from gdinousam.labelling.label_studio.controls import phrases_of, read_controls

IMAGE = '<Image name="image" value="$scan"/>'


def test_labels_with_an_alias_and_with_a_phrase_of_their_own() -> None:
    (control,) = read_controls(
        f'<View>{IMAGE}<RectangleLabels name="box" toName="image" model_score_threshold="0.3"><Label value="Zyste" '
        'predicted_values="cyst"/><Label value="liver" alias="L1"/><Label value="solid mass"/></RectangleLabels></View>'
    )
    assert (control.shape, control.name, control.to_name, control.image_key) == ("rectangle", "box", "image", "scan")
    assert control.phrase_of == {"Zyste": "cyst", "L1": "liver", "solid mass": "solid mass"}
    assert (control.labels_name, control.threshold) == (None, 0.3)


def test_several_controls_in_the_order_of_the_config_wherever_they_stand() -> None:
    controls = read_controls(
        f'<View><BrushLabels name="stroke" toName="image"><Label value="cyst"/></BrushLabels><View>{IMAGE}</View>'
        '<Header value="x"/><Choices name="quality" toName="image"><Choice value="good"/></Choices>'
        '<Rectangle name="box" toName="image"/><Labels name="what" toName="image" model_score_threshold="0">'
        '<Label value="Mass" predicted_values="solid mass"/><Label value="cyst" predicted_values="other"/></Labels>'
        "</View>"
    )
    assert [(one.shape, one.name, one.labels_name, one.threshold) for one in controls] == [
        ("brush", "stroke", None, None),
        ("rectangle", "box", "what", 0.0),
    ]
    assert phrases_of(controls) == {"cyst": "cyst", "Mass": "solid mass"}  # a label's first control says its phrase


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("<View", "not readable as XML"),
        ("", "not readable as XML"),
        ("<View name='\ud800'/>", "not readable as XML"),
        ("<View/>", "no RectangleLabels or BrushLabels"),
        (f'<View>{IMAGE}<RectangleLabels name="a" toName="image"/></View>', "no RectangleLabels or BrushLabels"),
        (f'<View>{IMAGE}<Rectangle name="a" toName="image"/></View>', "no RectangleLabels or BrushLabels"),
        (
            '<View><Image name="image" value="a.png"/><BrushLabels name="a" toName="image"><Label value="b"/>'
            "</BrushLabels></View>",
            "for an Image whose value is a field of the task",
        ),
        (
            f'<View>{IMAGE}<BrushLabels name="a" toName="image" model_score_threshold="2"><Label value="b"/>'
            "</BrushLabels></View>",
            r"model_score_threshold is '2'; give a number in \[0, 1\]",
        ),
    ],
)
def test_what_cannot_be_used_is_one_line(config: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as told:
        read_controls(config)
    assert "\n" not in str(told.value)
