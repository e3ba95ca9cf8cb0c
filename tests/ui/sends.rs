//! A tracked future is `Send` when the bare one is, and only then.
use std::rc::Rc;

use monitor_core::track_operation;

#[track_operation]
async fn holds_rc() -> u32 {
    let held = Rc::new(1);
    std::future::ready(()).await;
    *held
}

#[track_operation]
async fn holds_nothing() -> u32 {
    std::future::ready(1).await
}

fn is_send<T: Send>(_: T) {}

fn main() {
    is_send(holds_nothing());
    is_send(holds_rc());
}
