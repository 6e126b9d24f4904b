"""The commands of ``cpep``: what each takes, calls and prints; ``cpep.cli.main`` puts them together."""
