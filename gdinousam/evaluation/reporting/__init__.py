"""From scored rows to numbers in print: statistics, summaries, comparisons and their tables."""
