//! Operations by id beside the simplest thing that does the same: whatever a program asks for, in whatever order, answers,
//! counts and times are the same.

use std::time::Duration;

use monitor_core::OperationIdError;
use proptest::collection::vec;
use proptest::prelude::*;
use tests::{counts, stats, with_clock};

/// What a program may ask for, of a few ids.
#[derive(Clone, Copy, Debug)]
enum Ask {
    Begin(usize),
    Step(usize),
    End(usize, bool),
    Wait(u64),
    Switch(bool),
}

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let id = 0_usize..4;
    let ask = prop_oneof![
        4 => id.clone().prop_map(Ask::Begin),
        3 => id.clone().prop_map(Ask::Step),
        4 => (id, any::<bool>()).prop_map(|(id, ok)| Ask::End(id, ok)),
        3 => (0_u64..1_000_000).prop_map(Ask::Wait),
        1 => any::<bool>().prop_map(Ask::Switch),
    ];
    vec(ask, 0..60)
}

/// One id, as simply as it can be kept.
#[derive(Clone, Debug, Default)]
struct Kept {
    begun: bool,
    ended: bool,
    recorded: bool,
    since: u64,
    steps: Vec<u64>,
}

proptest! {
    #[test]
    fn answers_counts_and_times_are_those_of_a_simple_model(asks in asks()) {
        const IDS: [&str; 4] = ["a", "b", "c", "d"];
        let (local, clock) = with_clock();
        let (mut kept, mut now, mut enabled) = (vec![Kept::default(); 4], 0_u64, true);
        let (mut started, mut succeeded, mut failed, mut total_ns) = (0, 0, 0, 0);
        for ask in asks {
            match ask {
                Ask::Wait(ns) => {
                    clock.advance(Duration::from_nanos(ns));
                    now += ns;
                }
                Ask::Switch(on) => {
                    local.set_enabled(on);
                    enabled = on;
                }
                Ask::Begin(id) => {
                    let begun = local.begin(IDS[id], "job").start();
                    prop_assert_eq!(begun.is_ok(), !kept[id].begun);
                    if begun.is_ok() {
                        started += u64::from(enabled);
                        kept[id] = Kept { begun: true, recorded: enabled, since: now, ended: kept[id].ended, steps: vec![] };
                    }
                }
                Ask::Step(id) => {
                    let stepped = local.step(IDS[id], "step");
                    prop_assert_eq!(stepped.is_ok(), kept[id].begun);
                    if stepped.is_ok() {
                        kept[id].steps.push(now);
                    }
                }
                Ask::End(id, ok) => {
                    let end = local.end(IDS[id]);
                    let ended = if ok { end.success() } else { end.failure_with("no") }.finish();
                    let of = &mut kept[id];
                    match ended {
                        Ok(status) => {
                            prop_assert!(of.begun);
                            prop_assert_eq!(status.duration, Duration::from_nanos(now - of.since));
                            let ends = of.steps.iter().skip(1).copied().chain([now]);
                            let expected = of.steps.iter().zip(ends).map(|(begun, end)| Duration::from_nanos(end - begun));
                            prop_assert!(status.by_id.steps.iter().map(|step| step.duration).eq(expected));
                            if of.recorded {
                                total_ns += now - of.since;
                                *(if ok { &mut succeeded } else { &mut failed }) += 1;
                            }
                            (of.begun, of.ended) = (false, true);
                        }
                        Err(OperationIdError::NeverBegun { .. }) => prop_assert!(!of.begun && !of.ended),
                        Err(OperationIdError::AlreadyEnded { .. }) => prop_assert!(!of.begun && of.ended),
                        Err(other) => prop_assert!(false, "{other}"),
                    }
                }
            }
        }
        let running = kept.iter().filter(|of| of.begun && of.recorded).count();
        prop_assert_eq!(local.active().len(), running);
        prop_assert_eq!(counts(&local, "job"), [started, succeeded, failed, 0, 0, running as u64]);
        prop_assert_eq!(stats(&local, "job").total_time, Duration::from_nanos(total_ns));
    }
}
