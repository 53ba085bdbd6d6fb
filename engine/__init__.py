"""Rankbench's headless engine: everything the app and the command line do, without printing."""

__version__ = "0.1.0"
