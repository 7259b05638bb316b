"""Training of the lifter from motion capture; needs torch (extra ``learn``)."""
