"""Tools for those who write models of judgments."""
