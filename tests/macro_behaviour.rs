//! What a function under the attribute records: names, outcomes, amounts, and each call once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "functions that tests call fail and panic on purpose")]
#![allow(clippy::unused_self, reason = "methods without a purpose but to be called")]

use std::error::Error;
use std::fmt::{self, Display};
use std::future::{Future, ready};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;

use monitor_core::{FieldValue, track_operation, track_operations};
use tests::{block_on, yield_once};

use macro_support::{Later, Silent, counts, recorded, single};

mod macro_support;

#[track_caller]
fn names(work: impl FnOnce()) -> Vec<String> {
    let mut names: Vec<_> = recorded(work).0.operations().iter().map(|stats| stats.name.clone()).collect();
    names.sort();
    names
}

mod naming {
    use super::*;

    pub(super) struct Plain;
    pub(super) struct Generic<T>(pub(super) T);

    pub(super) trait Trait {
        fn method(&self);

        #[track_operation]
        fn default_method(&self) {}
    }

    impl Plain {
        #[track_operation]
        pub(super) fn method() {}

        #[track_operation]
        pub(super) async fn later(&self) {
            ready(()).await;
        }

        #[track_operation]
        pub(super) fn boxed(&self) -> Pin<Box<dyn Future<Output = ()>>> {
            Box::pin(async {})
        }
    }

    impl Trait for Plain {
        #[track_operation]
        fn method(&self) {}
    }

    impl Trait for &'static str {
        #[track_operation]
        fn method(&self) {}
    }

    impl<T> Trait for Generic<T> {
        #[track_operation]
        fn method(&self) {}
    }

    impl Generic<u8> {
        #[track_operation]
        pub(super) fn named(&self) {}
    }

    impl Generic<u16> {
        #[track_operation]
        pub(super) fn named(&self) {}
    }

    #[track_operation]
    pub(super) fn outer() {
        #[track_operation]
        fn inner() {}
        let closure = || {
            #[track_operation]
            fn in_closure() {}
            in_closure();
        };
        inner();
        closure();
    }

    #[track_operation]
    pub(super) fn generic<T>(_: T) -> Option<T> {
        None
    }
}

#[test]
fn the_default_name_is_the_path_with_the_type() {
    use naming::{Generic, Plain, Trait, generic, outer};
    let crate_name = module_path!();
    let found = names(|| {
        Plain::method();
        Trait::method(&Plain);
        Plain.default_method();
        "".method();
        Generic(()).method();
        Generic("").method();
        Generic(1_u8).named();
        Generic(1_u16).named();
        block_on(Plain.later());
        block_on(Plain.boxed());
        outer();
        generic(1);
        generic("");
    });
    let mut expected = [
        "{}::naming::Plain::method",
        "<{}::naming::Plain as {}::naming::Trait>::method",
        "{}::naming::Trait::default_method",
        "<&str as {}::naming::Trait>::method",
        "<{}::naming::Generic<_> as {}::naming::Trait>::method",
        "{}::naming::Generic<u8>::named",
        "{}::naming::Generic<u16>::named",
        "{}::naming::Plain::later",
        "{}::naming::Plain::boxed",
        "{}::naming::outer",
        "{}::naming::outer::inner",
        "{}::naming::outer::in_closure",
        "{}::naming::generic",
    ]
    .map(|name| name.replace("{}", crate_name));
    expected.sort();
    assert_eq!(found, expected);
}

type Alias<T> = std::io::Result<T>;
type Whole = Result<u32, Silent>;

#[track_operation]
fn by_question_mark(text: &str) -> Result<u32, Box<dyn Error>> {
    Ok(text.parse::<u32>()?)
}

#[track_operation]
fn by_alias(fails: bool) -> Alias<()> {
    if fails { Err(std::io::Error::other("no")) } else { Ok(()) }
}

#[track_operation]
fn by_whole_alias(fails: bool) -> Whole {
    if fails {
        return Err(Silent);
    }
    Ok(1)
}

#[track_operation]
fn in_loops(limit: u32) -> Result<u32, Silent> {
    let found = 'outer: loop {
        for a in 0.. {
            if a == 3 {
                return Err(Silent);
            }
            if a == limit {
                break 'outer a;
            }
        }
    };
    let half = 'half: {
        if found == 0 {
            break 'half 0;
        }
        found / 2
    };
    Ok(half)
}

#[track_operation]
fn option(value: Option<u32>) -> Option<u32> {
    Some(value? + 1)
}

#[track_operation]
fn generic_result<T, E>(value: Result<T, E>) -> Result<T, E> {
    value
}

#[track_operation]
#[expect(clippy::unnecessary_wraps, reason = "it is so, and seen through the attribute")]
fn panics(when: bool) -> Result<(), Silent> {
    assert!(!when, "on purpose");
    Ok(())
}

#[track_operation]
fn panics_plainly(when: bool) {
    assert!(!when, "on purpose");
}

#[test]
fn the_outcome_is_read_from_results_of_every_spelling() {
    let stats = single(|| {
        assert!(by_question_mark("1").is_ok() && by_question_mark("x").is_err());
    });
    assert_eq!(counts(&stats), [2, 1, 1, 0, 0]);
    assert_eq!(counts(&single(|| assert!(by_alias(true).is_err() && by_alias(false).is_ok()))), [2, 1, 1, 0, 0]);
    assert_eq!(
        counts(&single(|| assert!(by_whole_alias(true).is_err() && by_whole_alias(false).is_ok()))),
        [2, 1, 1, 0, 0]
    );
    assert_eq!(counts(&single(|| assert!(generic_result::<(), _>(Err(Silent)).is_err()))), [1, 0, 1, 0, 0]);
}

#[test]
fn every_way_out_is_counted_once() {
    let stats = single(|| {
        assert!(in_loops(0).is_ok() && in_loops(2).is_ok() && in_loops(9).is_err());
    });
    assert_eq!(counts(&stats), [3, 2, 1, 0, 0]);
    assert_eq!(counts(&single(|| assert!(option(None).is_none() && option(Some(1)).is_some()))), [2, 2, 0, 0, 0]);
}

#[test]
fn a_panic_that_leaves_the_function_counts_as_panicked() {
    for stats in [
        single(|| assert!(catch_unwind(|| panics(true)).is_err() && panics(false).is_ok())),
        single(|| {
            assert!(catch_unwind(|| panics_plainly(true)).is_err());
            panics_plainly(false);
        }),
    ] {
        assert_eq!(counts(&stats), [2, 1, 0, 1, 0]);
    }
}

#[test]
fn a_call_in_a_drop_during_another_unwinding_is_no_panic() {
    struct Calls;
    impl Drop for Calls {
        fn drop(&mut self) {
            panics_plainly(false);
        }
    }
    let stats = single(|| {
        let unwinding = || {
            let _calls = Calls;
            panic!("on purpose");
        };
        assert!(catch_unwind(AssertUnwindSafe(unwinding)).is_err());
    });
    assert_eq!(counts(&stats), [1, 1, 0, 0, 0]);
}

#[track_operation(name = "texts", record = "all")]
fn fails_with<E>(error: E) -> Result<(), E> {
    Err(error)
}

#[derive(Debug)]
struct Chained;

impl Display for Chained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outer")
    }
}

impl Error for Chained {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&fmt::Error)
    }
}

macro_rules! failing_with {
    ($error:expr, $ty:ty) => {{
        #[track_operation(record = "all")]
        fn fails() -> Result<(), $ty> {
            Err($error)
        }
        let (_, records) = recorded(|| assert!(fails().is_err()));
        records[0].error.clone().unwrap()
    }};
}

#[test]
fn the_text_of_an_error_is_as_good_as_its_type_can() {
    let chained = failing_with!(Chained, Chained);
    assert_eq!((chained.message.as_str(), chained.sources.len()), ("outer", 1));
    assert!(chained.kind.ends_with("Chained"), "{}", chained.kind);
    let boxed = failing_with!(Chained.into(), Box<dyn Error + Send + Sync>);
    assert_eq!((boxed.message.as_str(), boxed.sources.len()), ("outer", 1));
    assert_eq!(failing_with!("text".to_owned(), String).message, "text");
    assert_eq!(failing_with!(Some(1), Option<u8>).message, "Some(1)");
    let silent = failing_with!(Silent, Silent);
    assert!(silent.kind.ends_with("Silent") && silent.message.is_empty());
    // Of a generic error only the bounds in sight can be used: none here.
    let (_, records) = recorded(|| assert!(fails_with(Chained).is_err()));
    assert!(records[0].error.as_ref().unwrap().kind.ends_with("Chained"));
}

#[track_operation]
#[track_caller]
fn located(fails: bool) -> Result<&'static Location<'static>, Silent> {
    if fails {
        return Err(Silent);
    }
    Ok(Location::caller())
}

#[track_operation]
#[track_caller]
fn located_question_mark(value: Result<u32, Silent>) -> Result<u32, Silent> {
    let value = value?;
    for round in 0..value {
        if round == 0 {
            return Ok(Location::caller().line());
        }
    }
    Err(Silent)
}

#[track_operation]
#[track_caller]
fn located_option(value: Option<u32>) -> Option<u32> {
    value?;
    Some(Location::caller().line())
}

#[test]
fn track_caller_keeps_its_location_and_outcomes() {
    let stats = single(|| {
        assert!(located(false).is_ok_and(|location| location.file() == file!() && location.line() == line!()));
        assert!(located(true).is_err());
    });
    assert_eq!(counts(&stats), [2, 1, 1, 0, 0]);
    let stats = single(|| {
        assert!(located_question_mark(Ok(1)).is_ok_and(|line| line == line!()));
        assert!(located_question_mark(Ok(0)).is_err() && located_question_mark(Err(Silent)).is_err());
    });
    assert_eq!(counts(&stats), [3, 1, 2, 0, 0]);
    let stats = single(|| assert!(located_option(None).is_none() && located_option(Some(1)) == Some(line!())));
    assert_eq!(counts(&stats), [2, 2, 0, 0, 0]);
}

#[track_operation(name = "texts", record = "all")]
#[track_caller]
fn located_text(text: &str) -> Result<u32, Box<dyn Error>> {
    let parsed = text.parse::<u32>()?;
    let halved = || -> Result<u32, Silent> { if parsed % 2 == 0 { Ok(parsed / 2) } else { Err(Silent)? } };
    if let (1, Err(Silent)) = (parsed, halved()) {
        return Err(Chained.into());
    }
    Ok(std::iter::once(Err::<u32, _>("late")).sum::<Result<u32, _>>()? + parsed)
}

#[test]
fn track_caller_keeps_the_text_of_an_error_behind_a_question_mark() {
    for (text, message) in [("x", "invalid digit found in string"), ("1", "outer"), ("2", "late")] {
        let (snapshot, records) = recorded(|| assert!(located_text(text).is_err()));
        assert_eq!(counts(snapshot.operation("texts").unwrap()), [1, 0, 1, 0, 0], "{text}");
        let error = records[0].error.as_ref().unwrap();
        assert_eq!(error.message, message);
        assert!(error.kind.contains("Box<dyn"), "of the error that is returned: {}", error.kind);
    }
}

/// A symbol of its own.
#[track_operation]
#[unsafe(no_mangle)]
pub extern "C" fn macro_behaviour_symbol(a: u32) -> u32 {
    a + 1
}

#[test]
fn the_symbol_of_an_extern_function_is_kept() {
    mod linked {
        unsafe extern "C" {
            pub(super) safe fn macro_behaviour_symbol(a: u32) -> u32;
        }
    }
    let stats = single(|| assert_eq!(linked::macro_behaviour_symbol(1), 2));
    assert_eq!(counts(&stats), [1, 1, 0, 0, 0]);
}

#[track_operation(
    name = "everything", kind = "database", component = "storage",
    labels(table = "users", region = region, shard = 3 + 4),
    fields(id, text = region, pair = (1, 2)),
    items = rows.len(), bytes = 10 * rows.len(), items_from = |found| found.len(), record = "all",
)]
fn everything(id: u64, region: &str, rows: Vec<u8>) -> Result<Vec<u8>, Silent> {
    if rows.is_empty() { Err(Silent) } else { Ok(rows) }
}

#[track_operation(
    name = "everything", kind = "database", component = "storage",
    labels(table = "users", region = region, shard = 3 + 4),
    fields(id, text = region, pair = (1, 2)),
    items = rows.len(), bytes = 10 * rows.len(), items_from = |found| found.len(), record = "all",
)]
async fn everything_later(id: u64, region: String, rows: Vec<u8>) -> Result<Vec<u8>, Silent> {
    yield_once().await;
    drop(region);
    if rows.is_empty() { Err(Silent) } else { Ok(rows) }
}

#[track_operation(
    name = "everything", kind = "database", component = "storage",
    labels(table = "users", region = region, shard = 3 + 4),
    fields(id, text = region, pair = (1, 2)),
    items = rows.len(), bytes = 10 * rows.len(), items_from = |found| found.len(), record = "all",
)]
fn everything_by_type(id: u64, region: String, rows: Vec<u8>) -> Later<Result<Vec<u8>, Silent>> {
    Box::pin(everything_untracked(region, rows))
}

async fn everything_untracked(region: String, rows: Vec<u8>) -> Result<Vec<u8>, Silent> {
    yield_once().await;
    drop(region);
    if rows.is_empty() { Err(Silent) } else { Ok(rows) }
}

#[test]
fn arguments_reach_the_records_of_calls_and_futures() {
    let works: [fn(Vec<u8>) -> bool; 3] = [
        |rows| everything(7, "eu", rows).is_ok(),
        |rows| block_on(everything_later(7, "eu".to_owned(), rows)).is_ok(),
        |rows| block_on(everything_by_type(7, "eu".to_owned(), rows)).is_ok(),
    ];
    for work in works {
        let (snapshot, records) = recorded(|| assert!(work(vec![1, 2]) && !work(vec![])));
        let stats = snapshot.operation("everything").unwrap();
        assert_eq!(counts(stats), [2, 1, 1, 0, 0]);
        assert_eq!((stats.items, stats.bytes), (4, 20));
        assert_eq!((stats.kind.as_str(), stats.component.as_str()), ("database", "storage"));
        assert_eq!(records.len(), 2);
        for record in &records {
            let fields = [("id", FieldValue::U64(7)), ("text", "eu".into()), ("pair", "(1, 2)".into())];
            assert_eq!(record.fields, fields.map(|(key, value)| (key.to_owned(), value)));
            let mut labels: Vec<_> = record.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            labels.sort();
            assert_eq!(labels, ["region=eu", "shard=7", "table=users"]);
        }
    }
}

#[track_operation(name = "judged", error_if = |n| *n > 5, items_from = |n| *n)]
fn judged_by_bool(n: u64) -> u64 {
    n
}

#[track_operation(name = "judged", error_if = |n| n.as_ref().ok().filter(|n| **n > 5), record = "all")]
fn judged_by_text(n: Result<u64, Silent>) -> Result<u64, Silent> {
    n
}

#[track_operation(name = "judged", error_if = |n| n.clone().any(|n| n == 6))]
async fn judged_later(n: u64) -> impl Iterator<Item = u64> + Clone {
    yield_once().await;
    0..=n
}

#[track_operation(name = "judged", error_if = |_| -> bool { panic!("in error_if") }, items_from = |()| -> u8 { panic!("in items_from") })]
fn judge_panics(result: Result<(), Silent>) -> Result<(), Silent> {
    result
}

#[test]
fn error_if_decides_instead_of_the_type() {
    let stats = single(|| assert_eq!(judged_by_bool(5) + judged_by_bool(6), 11));
    assert_eq!(counts(&stats), [2, 1, 1, 0, 0]);
    assert_eq!(stats.items, 5, "no items of a failure");

    let (snapshot, records) =
        recorded(|| assert!(judged_by_text(Ok(6)).is_ok() && judged_by_text(Err(Silent)).is_err()));
    assert_eq!(counts(snapshot.operation("judged").unwrap()), [2, 1, 1, 0, 0]);
    assert!(records.iter().any(|record| record.error.as_ref().is_some_and(|error| error.message == "6")));

    let stats = single(|| assert_eq!(block_on(judged_later(5)).count() + block_on(judged_later(6)).count(), 13));
    assert_eq!(counts(&stats), [2, 1, 1, 0, 0]);
}

#[test]
fn a_panic_in_a_closure_of_the_attribute_is_contained_and_the_type_decides() {
    let stats = single(|| assert!(judge_panics(Ok(())).is_ok() && judge_panics(Err(Silent)).is_err()));
    assert_eq!(counts(&stats), [2, 1, 1, 0, 0]);
}

struct Block;

#[track_operations(kind = "block", component = "part", labels(tier = "hot"))]
impl Block {
    const fn constant(&self) -> u32 {
        1
    }

    fn plain(&self) -> u32 {
        self.constant()
    }

    async fn later(&self) -> Result<u32, Silent> {
        yield_once().await;
        Err(Silent)
    }

    #[track_operation(name = "own", kind = "own", labels(more = "x"))]
    fn own(&self) {}

    #[track_operation(skip)]
    fn skipped(&self) {}
}

#[track_operations]
mod tracked_module {
    pub(super) fn function() {}

    pub(super) mod inner {
        pub(crate) fn function() {}
    }

    pub(super) struct Type;

    impl Type {
        pub(super) fn method(&self) {}
    }
}

#[test]
fn a_block_tracks_its_functions_and_hands_its_arguments_down() {
    let (snapshot, _) = recorded(|| {
        assert_eq!(Block.plain(), 1);
        assert!(block_on(Block.later()).is_err());
        Block.own();
        Block.skipped();
    });
    assert_eq!(snapshot.operations().len(), 3);
    let path = module_path!();
    let plain = snapshot.operation(&format!("{path}::Block::plain")).unwrap();
    assert_eq!((plain.kind.as_str(), plain.component.as_str()), ("block", "part"));
    assert_eq!(counts(snapshot.operation(&format!("{path}::Block::later")).unwrap()), [1, 0, 1, 0, 0]);
    let own = snapshot.operation("own").unwrap();
    assert_eq!((own.kind.as_str(), own.component.as_str()), ("own", "part"));
}

#[test]
fn a_module_tracks_everything_inside() {
    let found = names(|| {
        tracked_module::function();
        tracked_module::inner::function();
        tracked_module::Type.method();
    });
    let path = module_path!();
    let expected =
        ["Type::method", "function", "inner::function"].map(|name| format!("{path}::tracked_module::{name}"));
    assert_eq!(found, expected);
}
