"""The commands of ``cpep``: what each takes, calls and prints; ``cpep.cli`` puts them together."""
