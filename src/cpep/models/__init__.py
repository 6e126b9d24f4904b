"""The encoder, its masked autoencoder, and the aligned pair."""
