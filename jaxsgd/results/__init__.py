"""What runs return: labelled estimates with the sums that they were made of, and the files that hold them."""
