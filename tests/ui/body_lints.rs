//! The lints that the host asked for still find what they found.
#![deny(unused, unreachable_code, unused_must_use)]
use monitor_core::track_operation;

#[track_operation]
fn unused_variable(argument: u32) -> Result<u32, String> {
    let local = 1;
    Ok(2)
}

#[track_operation]
fn unused_mut(mut argument: u32) -> Result<u32, String> {
    let mut local = 1;
    Ok(argument + local)
}

#[track_operation]
fn unused_assignment(mut argument: u32) -> Result<u32, String> {
    argument = 1;
    Ok(2)
}

#[track_operation]
fn unused_must_use() -> Result<u32, String> {
    needed();
    "1".parse::<u32>();
    Ok(2)
}

#[must_use]
fn needed() -> u32 {
    1
}

#[track_operation]
#[track_caller]
fn unused_in_place(argument: Result<Result<u32, u8>, String>) -> Result<u32, String> {
    argument?;
    let local = "1".parse::<u32>().map_err(|_| String::new())?;
    Ok(2)
}

#[track_operation]
fn unreachable() -> Result<u32, String> {
    return Ok(1);
    needed().checked_add(1).ok_or_else(String::new)
}

#[track_operation]
async fn unused_async(argument: u32) -> u32 {
    let local = std::future::ready(1).await;
    std::future::ready(1);
    2
}

#[track_operation]
fn unused_plain(argument: u32) {
    let local = 1;
}

fn main() {
    let _ = unused_in_place(Ok(Ok(1)));
    let _ = (unused_variable(1), unused_mut(1), unused_assignment(1), unused_must_use(), unreachable());
    let _ = (unused_async(1), unused_plain(1));
}
