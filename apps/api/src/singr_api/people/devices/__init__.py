"""Devices that get pushes."""
