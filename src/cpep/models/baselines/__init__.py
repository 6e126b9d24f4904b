"""Networks that predict the pose from EMG: published ones, and PoseT, which is our encoder with a head."""
