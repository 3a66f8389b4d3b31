"""Intervals and tests against numbers worked out by hand and against simulated truth."""

import itertools
import math
import warnings

import numpy as np
import pytest
from scipy import stats
from test_tables import row

from gdinousam.evaluation.reporting.statistics import (
    NUM_RESAMPLES,
    bootstrap_interval,
    holm,
    macro_intervals,
    paired_test,
    resampling_unit,
)


@pytest.fixture(autouse=True)
def no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_the_interval_is_that_of_scipy_on_the_plain_mean():
    values = np.random.default_rng(3).beta(6, 2, 40)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=NUM_RESAMPLES, method="percentile", random_state=np.random.default_rng(0)
    ).confidence_interval
    interval = bootstrap_interval(values.tolist())
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
    assert interval.mean == values.mean()
    assert (interval.num_values, interval.num_groups) == (40, 40)


def test_the_same_call_gives_the_same_interval_and_another_seed_another():
    values = [0.1, 0.5, 0.9, 0.4, 0.7]
    assert bootstrap_interval(values) == bootstrap_interval(values)
    assert bootstrap_interval(values, seed=1) != bootstrap_interval(values)


def test_a_wider_level_gives_a_wider_interval():
    values = np.random.default_rng(5).random(30).tolist()
    narrow, wide = bootstrap_interval(values, level=0.5), bootstrap_interval(values, level=0.99)
    assert wide.low < narrow.low < narrow.mean < narrow.high < wide.high


def test_two_groups_can_only_give_the_three_means_that_their_draws_have():
    # Groups of 1 and 3 values: both drawn 0.25, the first twice 1, the second twice 0.
    interval = bootstrap_interval([1.0, 0.0, 0.0, 0.0], ["a", "b", "b", "b"])
    assert (interval.mean, interval.low, interval.high) == (0.25, 0.0, 1.0)
    assert (interval.num_values, interval.num_groups) == (4, 2)


def test_the_interval_of_four_values_is_that_of_all_their_256_draws():
    values = [0.9, 0.5, 0.0, 0.6]
    means = [np.mean(draw) for draw in itertools.product(values, repeat=4)]
    expected = np.percentile(means, [2.5, 97.5], method="inverted_cdf")
    interval = bootstrap_interval(values, num_resamples=20000)
    assert (interval.low, interval.high) == pytest.approx(tuple(expected))


def test_copies_of_images_of_one_patient_do_not_narrow_the_interval():
    values = np.random.default_rng(4).random(20).tolist()
    once = bootstrap_interval(values, range(20))
    copied = bootstrap_interval(values * 10, list(range(20)) * 10)
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))
    ignored = bootstrap_interval(values * 10)
    assert ignored.high - ignored.low < 0.5 * (once.high - once.low)


def test_values_without_a_group_are_units_of_their_own():
    assert bootstrap_interval([0.1, 0.2, 0.3], [None, None, None]) == bootstrap_interval([0.1, 0.2, 0.3])
    assert bootstrap_interval([0.1, 0.2, 0.3], ["x", None, "x"]).num_groups == 2


@pytest.mark.parametrize(
    ("values", "groups", "mean"),
    [([], None, math.nan), ([0.3], None, 0.3), ([0.2, 0.4], ["a", "a"], 0.3)],
    ids=["no value", "one value", "one group"],
)
def test_with_nothing_to_resample_there_is_a_mean_but_no_interval(values, groups, mean):
    interval = bootstrap_interval(values, groups)
    assert interval.mean == pytest.approx(mean, nan_ok=True)
    assert math.isnan(interval.low) and math.isnan(interval.high)


def test_equal_values_have_an_interval_without_width():
    interval = bootstrap_interval([0.7] * 12)
    assert (interval.low, interval.high) == pytest.approx((0.7, 0.7))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_value_that_is_no_number_is_refused(bad):
    with pytest.raises(ValueError, match="nan or infinite"):
        bootstrap_interval([0.1, bad])


def test_groups_of_another_length_are_refused():
    with pytest.raises(ValueError, match="2 values but 1 groups"):
        bootstrap_interval([0.1, 0.2], ["a"])


def test_an_interval_of_95_percent_covers_the_truth_in_about_95_percent_of_simulated_studies():
    # 60 patients of one to four images that share the patient's quality: what an interval over images would miss.
    generator = np.random.default_rng(11)
    num_studies, covered, covered_by_images = 300, 0, 0
    for _ in range(num_studies):
        patients = np.repeat(np.arange(60), generator.integers(1, 5, 60))
        values = (
            0.7 + 0.1 * generator.standard_normal(60)[patients] + 0.03 * generator.standard_normal(len(patients))
        ).tolist()
        by_patient = bootstrap_interval(values, patients.tolist(), num_resamples=500)
        by_image = bootstrap_interval(values, num_resamples=500)
        covered += by_patient.low <= 0.7 <= by_patient.high
        covered_by_images += by_image.low <= 0.7 <= by_image.high
    assert 0.91 <= covered / num_studies <= 0.98
    assert covered_by_images / num_studies < 0.85


def test_the_macro_mean_weighs_datasets_alike_and_resamples_within_each():
    # Each dataset is constant, so resampling within them changes nothing; pooling would.
    [interval] = macro_intervals([([[0.2] * 10], None), ([[0.8] * 2], None)], 1)
    assert (interval.mean, interval.low, interval.high) == pytest.approx((0.5, 0.5, 0.5))
    assert (interval.num_values, interval.num_groups) == (12, 12)
    pooled = bootstrap_interval([0.2] * 10 + [0.8] * 2)
    assert pooled.mean == pytest.approx(0.3) and pooled.high - pooled.low > 0.1


def test_the_doubt_of_a_macro_mean_follows_the_law_of_the_mean_of_independent_means():
    generator = np.random.default_rng(2)
    datasets = [generator.normal(0.6, 0.1, size) for size in (40, 90, 200)]
    [interval] = macro_intervals([([one.tolist()], None) for one in datasets], 1)
    expected = 1.96 * math.sqrt(sum(one.var() / len(one) for one in datasets)) / 3
    assert (interval.high - interval.low) / 2 == pytest.approx(expected, rel=0.08)


def test_a_dataset_of_one_image_takes_the_interval_of_the_macro_mean_away_and_an_empty_one_does_not():
    many = ([[0.2, 0.4, 0.6]], None)
    [alone] = macro_intervals([many, ([[0.8]], None)], 1)
    assert alone.mean == pytest.approx(0.6) and math.isnan(alone.low)
    assert macro_intervals([many, ([[]], [])], 1) == macro_intervals([many], 1)


def test_measures_of_the_same_cases_get_the_intervals_they_have_alone():
    generator = np.random.default_rng(8)
    values, groups = generator.random((2, 30)).tolist(), generator.integers(0, 12, 30).tolist()
    assert macro_intervals([(values, groups)], 2) == [bootstrap_interval(one, groups) for one in values]


def test_patients_are_resampled_where_known_else_images():
    assert resampling_unit(row(group="7", image_name="1.png")) == resampling_unit(row(group="7", image_name="2.png"))
    assert resampling_unit(row(image_name="1.png")) == resampling_unit(row(image_name="1.png", phrase="cyst"))
    assert resampling_unit(row(image_name="1.png")) != resampling_unit(row(image_name="1.png", dataset="B"))
    assert resampling_unit(row(group="7")) != resampling_unit(row(group="7", dataset="B"))
    assert resampling_unit(row(group="1.png")) != resampling_unit(row(image_name="1.png"))


def test_wilcoxon_on_five_rising_differences_is_one_in_sixteen():
    # All five differences positive: 2 of the 32 equally likely sign patterns are as extreme.
    result = paired_test([0.5, 0.6, 0.7, 0.8, 0.9], [0.4, 0.4, 0.4, 0.4, 0.4])
    assert result.p_value == pytest.approx(2 / 32)
    assert result.difference.mean == pytest.approx(0.3)
    assert 0.1 < result.difference.low < 0.3 < result.difference.high < 0.5


def test_swapping_the_methods_turns_the_difference_and_keeps_the_p_value():
    first, second = np.random.default_rng(1).random((2, 30))
    one, other = paired_test(first.tolist(), second.tolist()), paired_test(second.tolist(), first.tolist())
    assert one.p_value == pytest.approx(other.p_value)
    assert one.difference.mean == pytest.approx(-other.difference.mean)
    assert one.difference.low == pytest.approx(-other.difference.high, abs=0.02)


def test_pairs_without_a_difference_speak_for_equality():
    better = paired_test([0.5, 0.6, 0.7, 0.8, 0.9], [0.4] * 5)
    with_ties = paired_test([0.5, 0.6, 0.7, 0.8, 0.9] + [0.0] * 20, [0.4] * 5 + [0.0] * 20)
    assert with_ties.p_value == pytest.approx(
        stats.wilcoxon([0.1, 0.2, 0.3, 0.4, 0.5] + [0.0] * 20, zero_method="pratt").pvalue
    )
    assert with_ties.difference.mean < better.difference.mean


def test_differences_that_are_equal_but_for_their_last_bit_share_a_rank():
    assert 0.3 - 0.2 != 0.4 - 0.3
    assert paired_test([0.3, 0.4, 0.0], [0.2, 0.3, 0.1]).p_value == pytest.approx(
        stats.wilcoxon([1.0, 1.0, -1.0], zero_method="pratt").pvalue
    )


@pytest.mark.parametrize(
    ("first", "second", "p_value"), [([], [], math.nan), ([0.3], [0.2], 1.0), ([0.3, 0.0], [0.3, 0.0], 1.0)]
)
def test_too_few_or_equal_pairs_prove_nothing(first, second, p_value):
    result = paired_test(first, second)
    assert result.p_value == pytest.approx(p_value, nan_ok=True)
    assert result.difference.num_values == len(first)


def test_unpaired_values_are_refused():
    with pytest.raises(ValueError, match="pairs are needed"):
        paired_test([0.1, 0.2], [0.1])


def test_images_of_one_patient_are_one_pair_of_the_test():
    groups = [number // 10 for number in range(50)]
    first, second = [0.5 + number / 1000 for number in range(50)], [0.4] * 50
    result = paired_test(first, second, groups)
    assert result.p_value == pytest.approx(2 / 32)
    assert (result.difference.num_values, result.difference.num_groups) == (50, 5)


def test_the_paired_test_finds_nothing_in_about_95_percent_of_simulated_studies_without_a_difference():
    generator = np.random.default_rng(6)
    p_values = []
    for _ in range(300):
        shared = generator.random(40)
        first, second = (shared + 0.05 * generator.standard_normal(40) for _ in range(2))
        p_values.append(paired_test(first.tolist(), second.tolist(), num_resamples=10).p_value)
    assert 0.02 <= np.mean(np.array(p_values) < 0.05) <= 0.09


def test_holm_as_worked_out_by_hand():
    # Sorted .01 .02 .03 .2 times 4 3 2 1: .04 .06 .06 .2; the third may not fall below the second.
    assert holm([0.03, 0.01, 0.2, 0.02]) == pytest.approx([0.06, 0.04, 0.2, 0.06])
    assert holm([0.03, 0.021, 0.02]) == pytest.approx([0.06, 0.06, 0.06])


def test_holm_stays_at_most_one_and_passes_over_what_was_not_tested():
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([0.04, math.nan, 0.03]) == pytest.approx([0.06, math.nan, 0.06], nan_ok=True)
    assert holm([]) == []
