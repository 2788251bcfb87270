"""What every way to run the detector costs."""
