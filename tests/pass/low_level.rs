//! `unsafe`, other ABIs, kept symbols, `#[track_caller]`, under the strictest lints.
#![deny(warnings, clippy::all, clippy::pedantic, missing_docs)]

use std::panic::Location;
use std::task::Poll;

use monitor_core::track_operation;

/// # Safety
/// `pointer` is valid.
#[track_operation]
unsafe fn reads(pointer: *const u32) -> Result<u32, u32> {
    // SAFETY: promised by the caller.
    let value = unsafe { *pointer };
    if value == 0 {
        return Err(value);
    }
    Ok(value)
}

/// # Safety
/// `pointer` is valid.
#[track_operation]
async unsafe fn reads_later(pointer: *const u32) -> Result<u32, u32> {
    std::future::ready(()).await;
    // SAFETY: promised by the caller.
    Ok(unsafe { *pointer })
}

/// A symbol of its own.
#[track_operation]
#[unsafe(no_mangle)]
pub extern "C" fn monitor_test_symbol(a: u32) -> u32 {
    a + 1
}

#[unsafe(export_name = "monitor_test_other")]
#[track_operation]
pub(crate) unsafe extern "C" fn exported(a: u32) -> u32 {
    a + 2
}

mod linked {
    unsafe extern "C" {
        pub(crate) safe fn monitor_test_symbol(a: u32) -> u32;
        pub(crate) safe fn monitor_test_other(a: u32) -> u32;
    }
}

#[track_operation]
#[track_caller]
fn caller(a: u32) -> Result<u32, u32> {
    for b in 0..a {
        if b == 5 {
            return Err(Location::caller().line());
        }
    }
    let c = (a < 2).then_some(a).ok_or(1_u32)?;
    let inner = |x: u32| {
        if x > 1 {
            return 1;
        }
        x
    };
    match inner(c) {
        0 => Err(0),
        _ => Ok(Location::caller().line()),
    }
}

#[track_caller]
#[track_operation(items_from = |found| *found)]
fn caller_unit(a: u32) -> u32 {
    if a > 5 {
        return 0;
    }
    Location::caller().line()
}

#[track_caller]
#[track_operation]
fn caller_nothing(a: &mut u32) {
    if *a > 5 {
        return;
    }
    *a = Location::caller().line();
}

#[track_caller]
#[track_operation]
fn caller_macro(a: u32) -> String {
    format!("{a} {}", Location::caller().line())
}

#[track_caller]
#[track_operation]
#[expect(clippy::unnecessary_wraps, reason = "it is so, and seen through the attribute")]
fn caller_coerced(a: &[u8; 2]) -> Option<&[u8]> {
    if a[0] == 0 {
        return Some(a);
    }
    Some(a)
}

#[track_caller]
#[track_operation]
fn caller_diverges(a: u32) -> Result<u32, u32> {
    if a == 1 {
        return Ok(Location::caller().line());
    }
    std::process::exit(0)
}

#[track_caller]
#[track_operation]
fn caller_loops(mut a: u32) -> Result<u32, u32> {
    loop {
        a += 1;
        if a > 5 {
            return Ok(Location::caller().line());
        }
    }
}

#[track_caller]
#[track_operation]
fn caller_panics(a: u32) -> Result<u32, u32> {
    if a == 1 {
        return Ok(Location::caller().line());
    }
    unreachable!()
}

/// An error that keeps where it was converted.
#[derive(Debug, PartialEq)]
struct Located(u32);

impl From<std::num::ParseIntError> for Located {
    #[track_caller]
    fn from(_: std::num::ParseIntError) -> Self {
        Self(Location::caller().line())
    }
}

#[track_caller]
#[track_operation]
fn caller_question(text: &str, shared: &std::sync::Mutex<Vec<u32>>) -> Result<u32, Located> {
    let mut sum = text.parse::<u32>()? + shared.lock().map_err(|_| Located(0))?.len().try_into().unwrap_or(0);
    for part in text.split(' ') {
        part.parse::<u8>()?;
        sum += part.parse::<u32>()? - 1;
        let inner = || part.parse::<u32>().map_err(|_| ())?.checked_sub(1).ok_or(());
        sum += inner().unwrap_or_default();
    }
    part_of(text)?.checked_add(sum).map(u64::from).map_or(Err(Located(0)), |sum| Ok(u32::try_from(sum).unwrap_or(0)))
}

fn part_of(text: &str) -> Result<u32, std::num::ParseIntError> {
    text.parse()
}

#[track_caller]
#[track_operation]
fn caller_question_of_options(values: &[Option<u32>]) -> Option<u32> {
    values.first()?.as_ref()?;
    let first = { values.first() }?;
    Some((*first)? + Location::caller().line())
}

#[track_caller]
#[track_operation]
fn caller_question_of_polls(ready: Poll<Result<u32, u8>>) -> Poll<Result<u32, u16>> {
    let (line, value) = (Location::caller().line(), ready?);
    value.map(|value| Ok(value + line))
}

#[cfg(target_arch = "x86_64")]
#[track_operation]
#[target_feature(enable = "sse2")]
#[expect(clippy::unnecessary_wraps, reason = "it is so, and seen through the attribute")]
fn with_feature(a: u32) -> Option<u32> {
    Some(a)
}

static ONE: u32 = 1;

fn main() {
    // SAFETY: the references are valid.
    assert_eq!(unsafe { reads(&raw const ONE) }, Ok(1));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    // SAFETY: the reference is valid.
    assert!(std::pin::pin!(unsafe { reads_later(&raw const ONE) }).poll(&mut cx).is_ready());
    assert_eq!(monitor_test_symbol(1) + linked::monitor_test_symbol(1), 4);
    // SAFETY: it does nothing unsafe.
    assert_eq!(unsafe { exported(1) } + linked::monitor_test_other(1), 6);
    assert_eq!(caller(1), Ok(line!()));
    assert_eq!(caller(9), Err(line!()));
    assert_eq!(caller(3), Err(1));
    assert_eq!((caller_diverges(1), caller_loops(1), caller_panics(1)), (Ok(line!()), Ok(line!()), Ok(line!())));
    assert_eq!(caller_question("2", &std::sync::Mutex::default()), Ok(6));
    assert_eq!(caller_question("x", &std::sync::Mutex::default()), Err(Located(line!())));
    assert_eq!(caller_question_of_options(&[Some(0)]), Some(line!()));
    assert_eq!(caller_question_of_options(&[None]), None);
    assert_eq!(caller_question_of_polls(Poll::Ready(Ok(0))), Poll::Ready(Ok(line!())));
    assert_eq!(caller_question_of_polls(Poll::Ready(Err(1))), Poll::Ready(Err(1)));
    assert_eq!(caller_unit(1), line!());
    let mut line = 0;
    caller_nothing(&mut line);
    assert_eq!(line, line!() - 1);
    assert_eq!(caller_macro(1), format!("1 {}", line!()));
    assert_eq!(caller_coerced(&[1, 2]).map(<[u8]>::len), Some(2));
    #[cfg(target_arch = "x86_64")]
    #[allow(unused_unsafe)]
    {
        // SAFETY: every x86-64 has SSE2.
        assert_eq!(unsafe { with_feature(1) }, Some(1));
    }
}
