"""Runs exported files on a device, without PyTorch: no module here imports torch by itself."""
