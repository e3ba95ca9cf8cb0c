//! Errors in a body point at the body, as if the attribute was not there.
use monitor_core::track_operation;

#[track_operation]
fn wrong_tail(a: u32) -> Result<u32, String> {
    "text"
}

#[track_operation]
fn wrong_return(a: u32) -> Result<u32, String> {
    if a == 1 {
        return "text";
    }
    Ok(a)
}

#[track_operation]
fn no_tail(a: u32) -> Result<u32, String> {
    drop(a);
}

#[track_operation]
fn wrong_reference(a: &str) -> &str {
    a.len()
}

#[track_operation]
fn wrong_question_mark(a: Option<u32>) -> Result<u32, String> {
    Ok(a?)
}

#[track_operation]
fn unknown_name() -> Result<u32, String> {
    Ok(missing)
}

#[track_operation]
async fn wrong_async(a: u32) -> Result<u32, String> {
    if a == 1 {
        return 1;
    }
    std::future::ready(()).await;
    "text"
}

#[track_operation]
fn wrong_impl() -> impl Iterator<Item = u32> {
    1
}

#[track_operation]
#[track_caller]
fn wrong_in_place(a: u32) -> Result<u32, String> {
    if a == 1 {
        return "text";
    }
    Ok(a)
}

#[track_operation]
#[track_caller]
fn wrong_question_mark_in_place(a: Option<u32>, b: Result<u32, u8>) -> Result<u32, String> {
    Ok(a? + b?)
}

#[track_operation(fields(missing), items = missing)]
fn wrong_arguments() {}

fn main() {}
