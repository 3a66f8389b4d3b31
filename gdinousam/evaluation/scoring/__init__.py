"""From a method and a test file to scored rows: metrics, protocols, the runner and what it writes."""
