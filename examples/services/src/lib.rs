//! Nothing: the services are examples.

#![forbid(unsafe_code)]
