"""Judging predictions: metrics, intervals, calibration. No torch."""
