//! Streams against a sorted map, the bytes of blocks against a real server's, and clones that never see a later change.
