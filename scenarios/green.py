"""Green: co-channel cells choose power and symbols per word; how much meaning a watt carries?

Values only. Meaning, unit and source of each: python -m netsim show scenarios/green.py
"""

from netsim.systems.green import Green
from netsim.systems.green_parameters import PRESETS

scenario = Green()  # three cells, the paper's numbers (preset `literal`), formulas

presets = {**PRESETS, "seven": {"layout.num_cells": 7}}
