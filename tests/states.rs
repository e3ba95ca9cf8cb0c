//! State machines as a host uses them: by name, by an enum, with guards, from many threads, at their bounds.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use monitor_core::{
    Entity, EntityOf, Monitor, MonitorState, Refusal, StateMachine, StateMachineOf, StateMachineStats, StateSpec,
    TransitionError, TransitionSpec, monitor, testing,
};
use tests::machines::{light, order};
use tests::{local, with_clock};

const MINUTE: Duration = Duration::from_mins(1);

fn assert_adds_up(stats: &StateMachineStats) {
    assert_eq!(stats.begun, stats.entities + stats.ended + stats.removed);
    let living = stats.states.iter().filter(|state| !state.terminal);
    assert_eq!(living.clone().map(|state| state.entities).sum::<u64>(), stats.entities);
    for state in living {
        assert_eq!(state.entered, state.left + state.removed + state.entities, "{}", state.name);
        assert_eq!(state.durations.count(), state.left, "{}", state.name);
    }
    let (left, entered) = stats.states.iter().fold((0, 0), |sums, s| (sums.0 + s.left, sums.1 + s.entered));
    assert_eq!((left, entered), (stats.transition_count(), stats.transition_count() + stats.begun));
    let ended = stats.states.iter().filter(|state| state.terminal).map(|state| state.entered);
    assert_eq!(ended.sum::<u64>(), stats.ended);
}

#[derive(MonitorState, Clone, Copy, Debug, PartialEq, Eq)]
#[monitor_state(name = "backup", stuck_after = "15m")]
enum Backup {
    #[state(initial, to(Scanning))]
    Idle,
    #[state(to(Copying = "scanned", Failed))]
    Scanning,
    #[state(to(Verifying = "copied", Failed), stuck_after = "1h")]
    Copying,
    #[state(to(Done, Failed))]
    Verifying,
    #[state(terminal)]
    Done,
    #[state(terminal)]
    Failed,
}

#[test]
fn an_entity_goes_the_declared_way_and_ends() {
    let (local, clock) = with_clock();
    let machine = local.state_machine_of::<Backup>().unwrap();
    let db = machine.entity("db1").unwrap();
    assert_eq!((db.state(), db.id(), db.has_ended()), (Backup::Idle, "db1", false));
    clock.advance(MINUTE);
    let made = db.to(Backup::Scanning).unwrap();
    assert_eq!((made.from(), made.to(), made.trigger()), (Backup::Idle, Backup::Scanning, None));
    assert_eq!((made.time_in_state(), made.at()), (MINUTE, SystemTime::UNIX_EPOCH + MINUTE));
    clock.advance(MINUTE);
    assert_eq!(db.time_in_state(), Some(MINUTE));
    let made = db.trigger("scanned").unwrap();
    assert_eq!((made.to(), made.trigger()), (Backup::Copying, Some("scanned")));
    db.trigger("copied").unwrap();
    let last = db.to(Backup::Done).unwrap().transition();
    assert!(last.is_terminal() && last.record().to == "done");
    assert!(db.has_ended() && db.state() == Backup::Done && db.time_in_state().is_none());

    let way: Vec<_> = db.history().iter().map(|made| (made.from(), made.to(), made.at())).collect();
    let minutes = |minutes| SystemTime::UNIX_EPOCH + minutes * MINUTE;
    assert_eq!(
        way,
        [
            (Backup::Idle, Backup::Scanning, minutes(1)),
            (Backup::Scanning, Backup::Copying, minutes(2)),
            (Backup::Copying, Backup::Verifying, minutes(2)),
            (Backup::Verifying, Backup::Done, minutes(2)),
        ]
    );
    testing::assert_state_machine(&local.snapshot(), "backup").entities(0).ended(1).in_state("done", 1).refused(0);
}

#[test]
fn the_same_id_is_the_same_entity_while_it_lives_and_another_one_after() {
    let local = local();
    let machine = order(&local).build().unwrap();
    let first = machine.entity("A").unwrap();
    let again = machine.entity("A").unwrap();
    assert!(machine.existing("A").is_some() && machine.existing("B").is_none());
    first.to("cancelled").unwrap();
    assert_eq!((again.state(), again.to("shipped").unwrap_err().reason()), ("cancelled", Refusal::Ended));
    assert!(machine.existing("A").is_none());

    let second = machine.entity("A").unwrap();
    assert_eq!((second.state(), first.state(), second.history().len()), ("new", "cancelled", 0));
    assert_eq!(first.history().len(), 1, "the ended one is remembered");
    testing::assert_state_machine(&local.snapshot(), "order").entities(1).ended(1).refused_as(Refusal::Ended, 1);
}

#[test]
fn dropping_a_handle_ends_nothing_and_a_handle_outlives_its_monitor() {
    let local = local();
    drop(order(&local).build().unwrap().entity("A").unwrap());
    let entity = order(&local).build().unwrap().existing("A").unwrap();
    drop(local);
    assert_eq!(entity.trigger("payment").unwrap().to(), "paid");
}

#[test]
fn an_undeclared_transition_names_both_states_and_what_is_allowed_and_is_counted() {
    let local = local();
    let entity = order(&local).build().unwrap().entity("A\n17").unwrap();
    let error = entity.to("shipped").unwrap_err();
    assert_eq!((error.machine(), error.entity(), error.from(), error.to()), ("order", "A\n17", "new", Some("shipped")));
    assert_eq!((error.reason(), error.trigger(), error.guard()), (Refusal::Undeclared, None, None));
    assert_eq!(error.allowed().collect::<Vec<_>>(), [("paid", Some("payment")), ("cancelled", None)]);
    assert_eq!(
        error.to_string(),
        "entity \"A\\n17\" of state machine \"order\" cannot go from \"new\" to \"shipped\": no such transition is \
         declared; from \"new\" it may go to \"paid\" on \"payment\", \"cancelled\""
    );
    assert_eq!(entity.state(), "new");
    // What a trigger causes is not made by naming the state, and staying is not a transition.
    assert_eq!(entity.to("paid").unwrap_err().reason(), Refusal::Undeclared);
    assert_eq!(entity.to("new").unwrap_err().reason(), Refusal::Undeclared);
    testing::assert_state_machine(&local.snapshot(), "order").refused(3).refused_as(Refusal::Undeclared, 3);
}

#[test]
fn each_other_refusal_says_what_it_is() {
    let local = local();
    let machine = order(&local).build().unwrap();
    let entity = machine.entity("A").unwrap();
    let said = |error: TransitionError| (error.reason(), error.to_string());
    let (reason, text) = said(entity.to("posted").unwrap_err());
    assert!(
        reason == Refusal::UnknownState && text.contains("the machine has no such state; from \"new\" it"),
        "{text}"
    );
    let (reason, text) = said(entity.trigger("refund").unwrap_err());
    assert!(
        reason == Refusal::UnknownTrigger && text.contains("on \"refund\": the machine has no such trigger"),
        "{text}"
    );
    entity.trigger("payment").unwrap();
    let (reason, text) = said(entity.trigger("payment").unwrap_err());
    assert!(reason == Refusal::Undeclared && text.contains("from \"paid\" on \"payment\": no such"), "{text}");
    entity.to("shipped").unwrap();
    let error = entity.to("cancelled").unwrap_err();
    assert_eq!(error.allowed().count(), 0);
    assert!(error.to_string().ends_with("to \"cancelled\": it has ended; ask the machine for a new entity of that id"));
    machine.entity("B").unwrap();
    let removed = machine.existing("B").unwrap();
    assert!(machine.remove("B") && !machine.remove("B"));
    let (reason, text) = said(removed.to("shipped").unwrap_err());
    assert!(reason == Refusal::Removed && text.contains("it was removed"), "{text}");
    assert_eq!(removed.history().len(), 0);
    // A huge name is cut in the error.
    assert!(machine.entity("C").unwrap().to(&"x".repeat(1_000_000)).unwrap_err().to_string().len() < 1_000);
    let stats = machine.stats();
    let refused: Vec<_> = stats.refused.iter().map(|(reason, &count)| (reason.as_str(), count)).collect();
    assert_eq!(
        refused,
        [("ended", 1), ("removed", 1), ("undeclared", 1), ("unknown_state", 2), ("unknown_trigger", 1)]
    );
    assert_adds_up(&stats);
}

#[test]
fn an_entity_is_stuck_after_fifteen_minutes_unless_said_otherwise() {
    let (local, clock) = with_clock();
    let machine = order(&local).stuck_after_in("paid", Duration::from_hours(1)).build().unwrap();
    let other = light(&local).stuck_after(MINUTE).stuck_after_in("off", Duration::MAX).build().unwrap();
    machine.entity("late").unwrap();
    let paid = machine.entity("paid").unwrap();
    paid.trigger("payment").unwrap();
    other.entity("waits").unwrap();
    let lamp = other.entity("lamp").unwrap();
    lamp.to("red").unwrap();

    let stuck = |monitor: &Monitor| -> Vec<(String, String)> {
        let snapshot = monitor.snapshot();
        let all = snapshot.state_machines().iter().flat_map(|machine| &machine.stuck);
        all.map(|entity| {
            (entity.id.clone(), format!("{:?} of {:?}", entity.time_in_state, entity.stuck_after.unwrap()))
        })
        .collect()
    };
    let listed = |id: &str, text: &str| (id.to_owned(), text.to_owned());
    clock.advance(MINUTE);
    assert_eq!(stuck(&local), []);
    clock.advance(Duration::from_nanos(1));
    assert_eq!(stuck(&local), [listed("lamp", "60.000000001s of 60s")]);
    clock.advance(14 * MINUTE);
    assert_eq!(stuck(&local).len(), 2);
    lamp.to("green").unwrap();
    assert_eq!(stuck(&local), [listed("late", "900.000000001s of 900s")]);
    clock.advance(50 * MINUTE);
    let table = local.snapshot().to_string();
    assert!(table.contains("stuck") && table.contains("1h 05m"), "{table}");
    testing::assert_state_machine(&local.snapshot(), "order").stuck(2);
    testing::assert_state_machine(&local.snapshot(), "light").stuck(1);
}

#[test]
fn a_difference_of_snapshots_counts_what_came_between() {
    let (local, clock) = with_clock();
    let machine = light(&local).build().unwrap();
    let entity = machine.entity("A").unwrap();
    entity.to("red").unwrap();
    let earlier = local.snapshot();
    clock.advance(MINUTE);
    entity.to("green").unwrap();
    let between = local.snapshot().since(&earlier);
    let light = between.state_machine("light").unwrap();
    assert_eq!((light.begun, light.entities, light.transition_count()), (0, 1, 1));
    assert_eq!((light.state("red").unwrap().mean(), light.state("off").unwrap().left), (MINUTE, 0));
}

#[test]
fn what_is_over_a_bound_is_refused_or_forgotten_and_counted() {
    let local = local();
    let machine = light(&local).max_entities(300).build().unwrap();
    let first = machine.entity("0").unwrap();
    first.to("red").unwrap();
    for _ in 0..40 {
        first.to("green").unwrap();
        first.to("red").unwrap();
    }
    assert_eq!((first.history().len(), machine.stats().history_dropped), (32, 81 - 32));
    assert_eq!(machine.stats().recent.len(), 64);

    let all: Vec<_> = (0..300).map(|id| machine.entity(&id.to_string()).unwrap()).collect();
    let error = machine.entity("one more").unwrap_err();
    assert!(error.is_too_many(), "{error}");
    assert_eq!(
        error.to_string(),
        "there are 300 entities of the state machine \"light\" already, as many as are allowed; let entities reach a \
         terminal state, remove those that were given up, or raise max_entities"
    );
    assert_eq!((machine.entities().len(), machine.stats().entities_refused), (300, 1));
    assert_eq!((machine.stats().oldest.len(), machine.stats().oldest[0].id.as_str()), (100, "0"));
    for entity in &all {
        let _ = entity.to("red");
        entity.to("dark").unwrap();
    }
    let stats = machine.stats();
    assert_eq!((machine.ended().len(), stats.ended_dropped, stats.ended), (256, 44, 300));
    assert_eq!((machine.ended()[0].id.as_str(), machine.ended()[255].id.as_str()), ("299", "44"));
    assert_eq!((all[43].history().len(), all[44].history().len()), (0, 2), "forgotten with the list, and not before");
    assert_adds_up(&stats);
    machine.entity("one more").unwrap();
}

#[test]
fn an_id_that_could_not_be_kept_whole_is_refused() {
    let machine = light(&local()).build().unwrap();
    for (id, said) in [(String::new(), "the id \"\" is empty;"), ("x".repeat(201), "xx…\" has 201 bytes;")] {
        let error = machine.entity(&id).unwrap_err();
        assert!(error.is_invalid_id() && error.to_string().contains(said), "{error}");
    }
    assert_eq!(machine.entity(&"x".repeat(200)).unwrap().id().len(), 200);
    assert_eq!(machine.stats().begun, 1);
}

#[test]
fn a_definition_is_made_once_and_another_of_its_name_is_refused() {
    let local = local();
    let machine = order(&local).build().unwrap();
    machine.entity("A").unwrap();
    assert_eq!(order(&local).build().unwrap().stats().entities, 1, "the same machine");
    let error = order(&local).max_entities(7).build().unwrap_err();
    assert!(error.is_different_state_machine(), "{error}");
    assert_eq!(
        error.to_string(),
        "there is a state machine \"order\" already, with other max_entities; it goes on working; give this one another \
         name, or define both alike"
    );
    let error = order(&local).on("late").guard(|_| Ok(())).state("x").build().unwrap_err();
    assert!(error.is_invalid_state_machine() && error.to_string().contains("\"x\" has no way out"), "{error}");
    assert!(
        tests::local()
            .state_machine("order")
            .state("a")
            .state("b")
            .transition("a", "b")
            .transition("b", "a")
            .build()
            .is_ok()
    );
    assert!(
        local
            .state_machine("x")
            .on("early")
            .guard(|_| Ok(()))
            .build()
            .unwrap_err()
            .to_string()
            .contains("on stands before any")
    );
}

#[test]
fn a_monitor_has_no_more_machines_than_it_may() {
    let local = local();
    let of = |number: usize| {
        local
            .state_machine(format!("m{number}"))
            .state("a")
            .state("b")
            .transition("a", "b")
            .transition("b", "a")
            .build()
    };
    let made: Vec<_> = (0..256).map(|number| of(number).unwrap()).collect();
    let error = of(256).unwrap_err();
    assert!(
        error.is_too_many() && error.to_string().contains("there are 256 state machines of the monitor"),
        "{error}"
    );
    made[7].entity("A").unwrap();
    assert_eq!(local.snapshot().state_machines().len(), 256);
    let table = local.snapshot().to_string();
    assert!(
        table.lines().all(|line| line.chars().count() <= 120) && table.contains("246 more state machines"),
        "{table}"
    );
}

#[test]
fn guards_of_an_enum_are_put_on_by_its_values() {
    let local = local();
    let machine =
        local
            .state_machine_builder_of::<Backup>()
            .guard(Backup::Scanning, Backup::Copying, |asked| {
                if asked.entity() == "db1" { Ok(()) } else { Err("closed".into()) }
            })
            .build()
            .unwrap();
    let go = |id: &str| {
        let entity = machine.entity(id).unwrap();
        entity.to(Backup::Scanning).unwrap();
        entity.trigger("scanned").map(|made| made.to())
    };
    assert_eq!(go("db1").unwrap(), Backup::Copying);
    assert_eq!(go("db2").unwrap_err().guard(), Some("closed"));
    let error = local.state_machine_of::<Backup>().unwrap_err();
    assert!(error.to_string().contains("other guarded transitions"), "{error}");
    let error =
        tests::local().state_machine_builder_of::<Backup>().guard(Backup::Done, Backup::Idle, |_| Ok(())).build();
    assert!(error.unwrap_err().to_string().contains("no transition from \"done\" to \"idle\" to put a guard on"));
}

#[test]
fn an_implementation_by_hand_that_does_not_fit_is_refused() {
    struct Odd(usize);
    impl MonitorState for Odd {
        const NAME: &'static str = "odd";
        const STATES: &'static [StateSpec] = &[
            StateSpec::new("a").transitions(&[TransitionSpec::to(1), TransitionSpec::to(7)]),
            StateSpec::new("b").terminal(),
        ];
        fn initial() -> Self {
            Odd(9)
        }
        fn index(&self) -> usize {
            self.0
        }
        fn from_index(index: usize) -> Option<Self> {
            (index == 1).then_some(Odd(1))
        }
    }
    let error = local().state_machine_of::<Odd>().unwrap_err().to_string();
    for fault in ["from_index(0) does not give", "initial state has the index 9", "\"a\" leads to the index 7"] {
        assert!(error.contains(fault), "{fault} is not in {error}");
    }
}

#[test]
fn machines_go_on_while_the_monitor_is_switched_off() {
    let local = local();
    local.set_enabled(false);
    let entity = order(&local).build().unwrap().entity("A").unwrap();
    entity.trigger("payment").unwrap();
    entity.to("new").unwrap_err();
    assert_eq!(entity.state(), "paid");
}

#[test]
fn in_a_scope_the_machines_are_those_of_its_monitor() {
    let local = local();
    local.scope(|| order(&monitor()).build().unwrap().entity("A").unwrap());
    testing::assert_state_machine(&local.snapshot(), "order").entities(1);
}

#[test]
fn handles_and_errors_may_be_sent_and_shared() {
    fn check<T: Send + Sync + 'static>() {}
    check::<StateMachine>();
    check::<Entity>();
    check::<StateMachineOf<Backup>>();
    check::<EntityOf<Backup>>();
    check::<TransitionError>();
    check::<monitor_core::Error>();
    // An enum that is not itself `Send` is only a type here, and no value.
    check::<EntityOf<std::rc::Rc<()>>>();
}

#[test]
fn what_many_threads_do_adds_up_at_every_moment() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 3_000;
    let local = local();
    let machine = light(&local).max_entities(20).build().unwrap();
    let (made, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let refused = AtomicUsize::new(0);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (machine, made, refused) = (&machine, &made, &refused);
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        // Half of the ids are the thread's own, half are everybody's.
                        let id = if round % 2 == 0 { format!("own {thread}") } else { format!("shared {}", round % 7) };
                        let entity = machine.entity(&id).unwrap();
                        let to = ["red", "green", "amber", "red", "green", "dark"][(round / 2 + thread) % 6];
                        let count = if entity.to(to).is_ok() { made } else { refused };
                        count.fetch_add(1, Ordering::Relaxed);
                        if round % 97 == 0 {
                            machine.remove(&id);
                        }
                    }
                })
            })
            .collect();
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Acquire) || reads < 10 {
                assert_adds_up(&machine.stats());
                let ids: Vec<_> = machine.entities().into_iter().map(|entity| entity.id).collect();
                assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "nobody is there twice");
                reads += 1;
            }
        });
        for worker in workers {
            worker.join().unwrap();
        }
        done.store(true, Ordering::Release);
        reader.join().unwrap();
    });
    let stats = machine.stats();
    assert_adds_up(&stats);
    let (made, refused) = (made.into_inner() as u64, refused.into_inner() as u64);
    assert_eq!((stats.transition_count(), stats.refused_count()), (made, refused));
    assert_eq!(made + refused, (THREADS * ROUNDS) as u64);
    assert!(stats.ended > 0 && stats.removed > 0 && made > 0 && refused > 0, "every case came up: {stats:?}");
}

#[test]
fn of_threads_that_want_the_same_transition_one_makes_it() {
    let local = local();
    for guarded in [false, true] {
        let name = format!("race {guarded}");
        let mut builder = local.state_machine(name).state("a").state("b").transition("a", "b");
        if guarded {
            builder = builder.guard(|_| Ok(()));
        }
        let machine = builder.transition("b", "a").build().unwrap();
        for round in 0..50 {
            let entity = machine.entity(&format!("{round}")).unwrap();
            let won = thread::scope(|scope| {
                let racers: Vec<_> = (0..4).map(|_| scope.spawn(|| entity.to("b").is_ok())).collect();
                racers.into_iter().map(|racer| usize::from(racer.join().unwrap())).sum::<usize>()
            });
            assert_eq!((won, entity.state(), entity.history().len()), (1, "b", 1));
        }
        assert_eq!(machine.stats().refused_as(Refusal::Undeclared), 150);
    }
}
