"""Evaluation: metrics, protocols, the runner that scores a Segmenter, tables and pictures."""
