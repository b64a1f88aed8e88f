"""Says what a run is: its recipe, its plan, where it runs, its folder."""
