//! Arguments that do not exist, stand twice, or stand in the wrong place.
use monitor_core::{track_operation, track_operations};

#[track_operation(nam = "a")]
fn unknown() {}

#[track_operation(name = "a", name = "b")]
fn twice() {}

#[track_operation(labels(a = "1"), labels(b = "2"))]
fn list_twice() {}

#[track_operation(skip)]
fn skip_alone() {}

#[track_operation("a")]
fn literal() {}

#[track_operation(name "a")]
fn no_equals() {}

#[track_operation(kind)]
fn no_value() {}

#[track_operation(name = "a" kind = "b")]
fn no_comma() {}

#[track_operations(name = "a")]
mod block_with_name {}

#[track_operations(what = "a")]
mod block_with_unknown {}

#[track_operations(labels(a = 1))]
mod block_with_expression {}

struct Thing;

#[track_operations(labels(a = "1", b = "2", c = "3", d = "4", e = "5", f = "6", g = "7", h = "8"))]
impl Thing {
    #[track_operation(skip, name = "a")]
    fn skip_and_name() {}

    #[track_operation(nam = "a")]
    fn unknown_inside() {}

    #[track_operation]
    #[track_operation(kind = "a")]
    fn twice_inside() {}

    #[track_operation(labels(i = "9"))]
    fn too_many_together() {}
}

fn main() {}
