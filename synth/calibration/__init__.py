"""How wide a margin should be: what each would keep of a run, and what a judge says of that."""

from synth.calibration.calibrate import Calibration, Point, calibrate_margin

__all__ = ["Calibration", "Point", "calibrate_margin"]
