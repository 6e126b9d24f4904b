"""Signals of a device, recorded or live alike: units, filters, clocks, rates and quality."""
