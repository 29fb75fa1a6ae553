"""Devices that people get pushes on."""
