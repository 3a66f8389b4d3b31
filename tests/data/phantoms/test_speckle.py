"""The physics of the speckle: its distribution, its grain, loss along the beam and log compression."""

import numpy as np
import pytest

from gdinousam.data.speckle import PointSpread, depth_loss_db, log_compress, speckle_envelope


def test_speckle_of_even_tissue_is_rayleigh_with_the_given_power() -> None:
    envelope = speckle_envelope(np.random.default_rng(0), np.zeros((700, 900), np.float32), PointSpread())
    assert envelope.mean() / envelope.std() == pytest.approx(1.913, rel=0.02)
    assert np.mean(envelope**2) == pytest.approx(1.0, rel=0.02)
    # Quantiles of a Rayleigh distribution of mean square 1: sqrt(-ln(1 - p)).
    levels = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    assert np.quantile(envelope, levels) == pytest.approx(np.sqrt(-np.log1p(-levels)), rel=0.03)


def test_speckle_is_as_bright_at_the_border_as_inside() -> None:
    envelope = speckle_envelope(np.random.default_rng(1), np.zeros((400, 3000), np.float32), PointSpread())
    assert np.mean(envelope[0] ** 2) == pytest.approx(1.0, rel=0.1)


def test_speckle_grains_are_wider_laterally_than_axially() -> None:
    power = speckle_envelope(np.random.default_rng(2), np.zeros((400, 400), np.float32), PointSpread()) ** 2
    axial = np.corrcoef(power[:-2].ravel(), power[2:].ravel())[0, 1]
    lateral = np.corrcoef(power[:, :-2].ravel(), power[:, 2:].ravel())[0, 1]
    # |exp(-d^2 / 4 sigma^2)|^2 for a distance d of 2 pixels.
    assert axial == pytest.approx(np.exp(-(2**2) / (2 * 0.8**2)), abs=0.05)
    assert lateral == pytest.approx(np.exp(-(2**2) / (2 * 1.7**2)), abs=0.05)


def test_echo_strength_scales_the_envelope_in_decibels() -> None:
    strengths = [
        speckle_envelope(np.random.default_rng(3), np.full((50, 50), db, np.float32), PointSpread()) for db in (0, 20)
    ]
    np.testing.assert_allclose(strengths[1], 10.0 * strengths[0], rtol=1e-5)


def test_depth_loss_adds_up_along_the_beam_and_shadows_only_what_lies_below() -> None:
    loss = np.full((100, 10), 10.0, np.float32)
    loss[40:60, 5] = 110.0
    total = depth_loss_db(loss)
    assert total[-1, 0] == pytest.approx(10.0, rel=1e-4)
    assert total[-1, 5] == pytest.approx(30.0, rel=1e-4)
    np.testing.assert_allclose(total[:40, 5], total[:40, 0], rtol=1e-5)


def test_log_compression_is_linear_in_decibels_between_black_and_white() -> None:
    envelope = 10.0 ** (np.array([[30.0, 20.0, -10.0, -40.0, -60.0]], np.float32) / 20.0)
    assert log_compress(envelope, 60.0, 20.0).tolist() == [[255, 255, 128, 0, 0]]
    assert log_compress(np.zeros((1, 1), np.float32), 60.0, 20.0).tolist() == [[0]]
