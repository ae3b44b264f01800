"""Published tables and figures, one module each; `python -m netsim figure NAME` runs them."""
