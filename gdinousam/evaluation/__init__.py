"""Evaluation: metrics, protocols, the runner that scores a PhraseSegmenter, tables and pictures."""
