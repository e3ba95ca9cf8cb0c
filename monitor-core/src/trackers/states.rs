//! State machines as a program defines and uses them: by name, or by an enum.
//!
//! The store keeps who is where; here guards are asked, outside of its lock, and refusals become errors.

pub(crate) mod builder;
pub(crate) mod entity;
pub(crate) mod error;
mod guards;
pub(crate) mod machine;
pub(crate) mod spec;
pub(crate) mod typed;
