"""Where the time of one EMG-MAE step goes: `python -m benchmarks.step_profile`, on one thread."""

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks import training as sizes
from cpep.models.encoders.patches import PatchEncoder
from cpep.models.mae import MaskedAutoencoder

SHOWN = 14


def main() -> None:
    torch.set_num_threads(1)
    steps = sizes.RATE * sizes.SECONDS
    signal_BTC = torch.randn(sizes.BATCH, steps, sizes.CHANNELS)
    encoder = PatchEncoder(
        columns=sizes.CHANNELS,
        steps=steps,
        token_steps=sizes.PATCH,
        width=sizes.WIDTH,
        depth=sizes.DEPTH,
        heads=sizes.HEADS,
        dropout=0.0,
    )
    mae = MaskedAutoencoder(encoder, 0.5, 1, sizes.HEADS)
    step = sizes.own_step(mae, lambda: mae(signal_BTC))
    step()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        step()
    rows = sorted(seen.key_averages(), key=lambda row: -row.self_cpu_time_total)
    whole = sum(row.self_cpu_time_total for row in rows)
    print(f"one step in {sizes.FORMAT}: {whole / 1e3:.0f} ms")
    for row in rows[:SHOWN]:
        share = row.self_cpu_time_total / whole
        print(f"{100 * share:5.1f} %  {row.self_cpu_time_total / 1e3:7.0f} ms  {row.count:4} x  {row.key}")


if __name__ == "__main__":
    main()
