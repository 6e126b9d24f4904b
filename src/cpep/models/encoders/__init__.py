"""The encoders that ``emg.tokens`` names; see ``cpep.models.encoder``."""
