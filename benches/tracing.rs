//! Filled by a later commit.

#![forbid(unsafe_code)]

fn main() {}
