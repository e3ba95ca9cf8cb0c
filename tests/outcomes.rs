//! How a call ends, and what is kept of its error: closures, guards, the attribute, panics at every place where one may
//! begin, and host code that misbehaves while an error is put into words.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use std::error::Error;
use std::fmt::{self, Display};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Once;

use monitor_core::{ErrorText, Monitor, Outcome, monitor, track_operation};
use tests::{counts, local, panics, stats};

/// The newest record, which is that of the call just made.
fn newest(monitor: &Monitor) -> monitor_core::OperationRecord {
    monitor.recent(1).pop().expect("a record of the call just made")
}

fn error_of(monitor: &Monitor) -> ErrorText {
    newest(monitor).error.expect("a text of the error")
}

/// Neither `Debug` nor `Display`.
struct Mute;

#[derive(Debug)]
struct Chain(u32);

impl Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link {}", self.0)
    }
}

static LINKS: [Chain; 3] = [Chain(1), Chain(2), Chain(3)];

impl Error for Chain {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        LINKS.iter().find(|link| link.0 == self.0 + 1).map(|link| link as _)
    }
}

/// Its own source, for ever.
#[derive(Debug)]
struct Endless;

static ENDLESS: Endless = Endless;

impl Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for _ in 0..1_000 {
            f.write_str("äöüß")?;
        }
        Ok(())
    }
}

impl Error for Endless {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&ENDLESS)
    }
}

#[test]
fn a_closure_ends_as_what_it_returns_says() {
    type Alias<T> = std::io::Result<T>;
    let local = local();
    local.scope(|| {
        local.track("call", |_| 5);
        local.track("call", |_| ());
        local.track("call", |_| None::<u8>);
        local.track("call", |_| Some(Err::<u8, u8>(1)));
        let _ = local.track("call", |_| [Err::<u8, u8>(1)]);
        let _ = local.track("call", |_| Ok::<u8, Mute>(1));
        assert_eq!(counts(&local, "call"), [6, 6, 0, 0, 0, 0]);
        assert!(local.track("call", |_| Err::<u8, Mute>(Mute)).is_err());
        assert!(local.track("call", |_| -> Alias<()> { Err(std::io::Error::other("x")) }).is_err());
        assert!(local.track("call", |_| Err::<(), ()>(())).is_err());
        assert_eq!(counts(&local, "call"), [9, 6, 3, 0, 0, 0]);
    });
    assert_eq!(stats(&local, "call").durations.count(), 9);
}

#[test]
fn a_closure_keeps_the_type_of_its_error_and_with_try_track_its_text() {
    let local = local();
    local.scope(|| {
        let _ = local.track("call", |_| Err::<(), Mute>(Mute));
        assert!(error_of(&local).kind.ends_with("Mute"), "{:?}", error_of(&local));
        let _ = local.try_track("call", |_| "x".parse::<u8>());
        let error = error_of(&local);
        assert_eq!(
            (&*error.kind, &*error.message),
            ("core::num::error::ParseIntError", "invalid digit found in string")
        );
        assert_eq!(local.try_track("call", |_| Ok::<_, String>(7)), Ok(7));
    });
    assert_eq!(counts(&local, "call"), [3, 1, 2, 0, 0, 0]);
}

#[test]
fn a_guard_ends_as_it_is_told_and_with_success_when_it_is_not() {
    let local = local();
    local.scope(|| {
        let start = || local.operation("guard").start();
        start().succeed();
        start().fail(&Chain(2));
        assert_eq!(error_of(&local).to_string(), "outcomes::Chain: link 2: link 3");
        start().fail_with("plain words");
        assert_eq!(error_of(&local).message, "plain words");
        start().cancel();
        assert_eq!(newest(&local).outcome, Outcome::Cancelled);
        drop(start());
    });
    assert_eq!(counts(&local, "guard"), [5, 2, 2, 0, 1, 0]);
}

#[test]
fn work_counts_however_the_call_ends() {
    let local = local();
    local.scope(|| {
        let start = || {
            let mut op = local.operation("work").items(1).bytes(10).start();
            op.add_items(2);
            op.add_bytes(20);
            op
        };
        start().succeed();
        start().fail(&Chain(1));
        start().cancel();
        drop(start());
        assert!(panics(|| {
            let _op = start();
            panic!("inside");
        }));
        assert!(panics(|| local.track("work", |op| {
            op.add_items(3);
            op.add_bytes(30);
            panic!("inside")
        })));
    });
    let stats = stats(&local, "work");
    assert_eq!((stats.items, stats.bytes), (18, 180));
    assert_eq!(counts(&local, "work"), [6, 2, 1, 2, 1, 0]);
}

#[test]
fn a_panic_that_began_inside_is_the_calls() {
    let local = local();
    local.scope(|| {
        assert!(panics(|| {
            let _guard = local.operation("guard").start();
            local.track("closure", |_| panic!("inside"));
        }));
        // A verdict given before the panic stands.
        assert!(panics(|| {
            local.operation("told").start().succeed();
            panic!("afterwards");
        }));
    });
    assert_eq!(counts(&local, "guard"), [1, 0, 0, 1, 0, 0]);
    assert_eq!(counts(&local, "closure"), [1, 0, 0, 1, 0, 0]);
    assert_eq!(counts(&local, "told"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(local.recent(3).iter().filter(|record| record.outcome == Outcome::Panicked).count(), 2);
}

#[test]
fn a_panic_that_is_caught_inside_is_not_the_calls() {
    let local = local();
    local.scope(|| {
        local.track("outer", |_| {
            let payload = catch_unwind(AssertUnwindSafe(|| local.track("inner", |_| -> () { panic!("caught") })));
            assert!(payload.is_err());
        });
        assert!(panics(|| {
            let payload = catch_unwind(|| panic!("thrown again")).unwrap_err();
            local.track("rethrows", |_| -> () { resume_unwind(payload) });
        }));
    });
    assert_eq!(counts(&local, "outer"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(counts(&local, "inner"), [1, 0, 0, 1, 0, 0]);
    assert_eq!(counts(&local, "rethrows"), [1, 0, 0, 1, 0, 0]);
}

/// Runs its closure when dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn a_panic_that_began_before_is_not_the_calls() {
    let local = local();
    local.scope(|| {
        assert!(panics(|| {
            let _during = OnDrop(|| {
                // In a destructor during the unwinding of another panic.
                drop(local.operation("guard").start());
                local.operation("told").start().fail(&Chain(1));
                local.track("closure", |_| ());
                attribute(false);
            });
            panic!("before");
        }));
    });
    assert_eq!(counts(&local, "guard"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(counts(&local, "told"), [1, 0, 1, 0, 0, 0]);
    assert_eq!(counts(&local, "closure"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(counts(&local, "outcomes::attribute"), [1, 1, 0, 0, 0, 0]);
}

#[test]
fn a_panic_within_a_destructor_of_another_panic_is_the_calls_that_it_goes_through() {
    let local = local();
    local.scope(|| {
        assert!(panics(|| {
            let _during = OnDrop(|| {
                assert!(panics(|| local.track("closure", |_| panic!("second, contained"))));
                assert!(panics(attribute_panics));
            });
            panic!("first");
        }));
    });
    assert_eq!(counts(&local, "closure"), [1, 0, 0, 1, 0, 0]);
    assert_eq!(counts(&local, "outcomes::attribute_panics"), [1, 0, 0, 1, 0, 0]);
}

#[track_operation]
fn attribute(panics: bool) {
    assert!(!panics, "as told");
}

#[track_operation]
fn attribute_panics() -> Result<(), Mute> {
    panic!("as told")
}

#[track_operation]
fn attribute_fails() -> Result<(), Mute> {
    Err(Mute)
}

#[track_operation]
fn attribute_chain() -> Result<(), Chain> {
    Err(Chain(1))
}

#[test]
fn the_attribute_counts_each_call_once() {
    let local = local();
    local.scope(|| {
        attribute(false);
        assert!(panics(|| attribute(true)));
        assert!(attribute_fails().is_err());
        assert!(attribute_chain().is_err());
    });
    assert_eq!(counts(&local, "outcomes::attribute"), [2, 1, 0, 1, 0, 0]);
    assert_eq!(counts(&local, "outcomes::attribute_fails"), [1, 0, 1, 0, 0, 0]);
    assert_eq!(counts(&local, "outcomes::attribute_chain"), [1, 0, 1, 0, 0, 0]);
    let chain = error_of(&local);
    assert_eq!((&*chain.message, chain.sources), ("link 1", vec!["link 2".to_owned(), "link 3".to_owned()]));
    assert!(local.active().is_empty());
}

#[test]
fn texts_and_sources_of_errors_are_bounded() {
    let local = local();
    local.scope(|| local.operation("endless").start().fail(&Endless));
    let error = error_of(&local);
    assert!(error.message.len() <= 1_024 && error.message.ends_with('…'), "{} bytes", error.message.len());
    assert!(error.message.len() > 1_000);
    assert_eq!(error.sources.len(), 8);
    assert!(error.sources.iter().all(|source| source.len() <= 256 && source.ends_with('…')));
}

/// Panics when it is put into words, with a payload that panics when it is dropped.
#[derive(Debug)]
struct Bomb;

impl Display for Bomb {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("in Display")
    }
}

impl Error for Bomb {}

/// As [`Bomb`], with a payload that panics when it is dropped.
#[derive(Debug)]
struct DoubleBomb;

impl Display for DoubleBomb {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::panic::panic_any(OnDrop(|| panic!("in the drop of the payload")))
    }
}

impl Error for DoubleBomb {}

/// Panics when asked for its source.
#[derive(Debug)]
struct BadSource;

impl Display for BadSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fine so far")
    }
}

impl Error for BadSource {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        panic!("in source")
    }
}

#[test]
fn an_error_that_panics_in_display_is_contained() {
    let local = local();
    local.scope(|| {
        local.operation("bomb").start().fail(&Bomb);
        local.operation("bomb").start().fail_with(&Bomb);
        assert!(local.try_track("bomb", |_| Err::<(), _>(Bomb)).is_err());
        local.operation("source").start().fail(&BadSource);
        assert_eq!(error_of(&local).message, "fine so far");
    });
    assert_eq!(counts(&local, "bomb"), [3, 0, 3, 0, 0, 0]);
    assert!(local.active().is_empty());
}

#[test]
fn an_error_that_panics_in_display_is_counted() {
    let local = local();
    local.scope(|| local.operation("bomb").start().fail(&Bomb));
    assert_eq!(local.snapshot().monitor().callbacks_panicked, 1);
    local.scope(|| assert!(local.try_track("bomb", |_| Err::<(), _>(Bomb)).is_err()));
    assert_eq!(local.snapshot().monitor().callbacks_panicked, 2);
    local.scope(|| local.operation("source").start().fail(&BadSource));
    assert_eq!(local.snapshot().monitor().callbacks_panicked, 3);
}

#[test]
fn a_panic_whose_payload_panics_when_dropped_is_contained() {
    let local = local();
    local.scope(|| {
        let escaped = panics(|| local.operation("bomb").start().fail(&DoubleBomb));
        assert!(!escaped, "a panic of the error's text reached the host");
        // The next error is put into words as ever.
        local.operation("after").start().fail(&Chain(3));
        assert_eq!(error_of(&local).message, "link 3");
    });
    assert_eq!(counts(&local, "bomb"), [1, 0, 1, 0, 0, 0]);
}

#[track_operation(error_if = |_: &u8| -> bool { std::panic::panic_any(OnDrop(|| panic!("in the drop of the payload"))) })]
fn judged() -> u8 {
    1
}

#[test]
fn a_callback_whose_panic_panics_when_dropped_is_contained() {
    let local = local();
    let escaped = local.scope(|| panics(judged));
    assert!(!escaped, "a panic of error_if reached the host");
    assert_eq!(stats(&local, "outcomes::judged").finished(), 1);
}

/// Fails in tracked functions while it is put into words.
#[derive(Debug)]
struct Recursive;

impl Display for Recursive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        monitor().operation("within").start().fail(&Recursive);
        let _ = monitor().try_track("within", |_| Err::<(), _>(Recursive));
        let _ = monitor().snapshot();
        let _ = monitor().recent(3);
        let _ = monitor().active();
        f.write_str("said")
    }
}

impl Error for Recursive {}

#[test]
fn an_error_that_calls_tracked_functions_neither_recurses_nor_deadlocks() {
    let local = local();
    local.scope(|| {
        local.operation("call").start().fail(&Recursive);
        let call = local.recent(10).into_iter().find(|record| record.name == "call").expect("a record");
        assert_eq!(call.error.expect("a text").message, "said");
        // Further failures are put into words again.
        local.operation("call").start().fail(&Chain(3));
        assert_eq!(error_of(&local).message, "link 3");
    });
    assert_eq!(counts(&local, "call"), [2, 0, 2, 0, 0, 0]);
    let within = stats(&local, "within");
    assert_eq!((within.started, within.failed), (2, 2));
}

#[test]
fn a_panic_hook_may_call_tracked_functions() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let payload = info.payload().downcast_ref::<&str>();
            if payload.is_some_and(|text| *text == "for the hook") {
                monitor().track("hook", |_| ());
                monitor().operation("hook").start().fail(&Chain(1));
                let _ = monitor().snapshot();
            } else {
                before(info);
            }
        }));
    });
    let local = local();
    local.scope(|| assert!(panics(|| local.track("call", |_| panic!("for the hook")))));
    assert_eq!(counts(&local, "call"), [1, 0, 0, 1, 0, 0]);
    // It runs before the unwinding: a success of the hook's own is one.
    assert_eq!(counts(&local, "hook"), [2, 1, 1, 0, 0, 0]);
    assert!(local.active().is_empty());
}
