//! The code in the README, so that it is compiled and run with the tests.
#![doc = include_str!("../../README.md")]
