//! Items that cannot be tracked.
use monitor_core::{track_operation, track_operations};

#[track_operation]
const fn constant() {}

#[track_operation]
struct Thing;

#[track_operation]
struct WithBraces {
    field: fn(),
}

#[track_operation]
impl Thing {
    fn method(&self) {}
}

#[track_operation]
mod module {
    fn function() {}
}

#[track_operation]
static STATIC: u8 = 1;

#[track_operation]
use std::fmt;

trait Trait {
    #[track_operation]
    fn without_body(&self);
}

unsafe extern "C" {
    #[track_operation]
    fn foreign();
}

#[track_operations]
fn block_on_function() {}

#[track_operations]
struct BlockOnStruct {}

#[track_operations]
impl Thing {
    #[track_operation]
    const fn constant_by_name() {}

    const fn constant_left_alone() {}
}

fn main() {}
