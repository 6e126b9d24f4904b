"""Networks: encoders, their masked autoencoder, the aligned pair, the baselines; and the losses."""
