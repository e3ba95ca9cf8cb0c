//! A recorder for the `metrics` facade.
