"""The publications that many statements refer to."""

BOOK = "Zhang, Lipton, Li and Smola (2023), Dive into Deep Learning, section 12.4"
PROOF = f"{BOOK}; Nesterov and Vial (2008), Automatica 44(6)"
