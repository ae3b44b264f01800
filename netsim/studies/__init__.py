"""Studies over many runs: campaigns, paired gaps between levels, attribution, replay, pages."""
