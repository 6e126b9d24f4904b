"""Networks of others that predict the pose from EMG."""
