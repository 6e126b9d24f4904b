"""Export of recordings to EMG-BIDS; ``cpep.data.readers.bids`` reads them."""
