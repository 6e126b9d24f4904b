"""Recording of a live source: files that survive a kill at any moment, and the EMG-BIDS data set made of them."""
