//! Guards of state machines: what they decide, that they run outside of all locks, and what becomes of those that panic,
//! move the entity themselves or ask for each other.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use monitor_core::{Entity, GuardContext, Refusal, StateMachine, testing};
use tests::local;
use tests::machines::light;

#[test]
fn a_guard_decides_and_its_reason_is_in_the_error() {
    let local = local();
    let stock = Arc::new(AtomicUsize::new(1));
    let machine = local
        .state_machine("order")
        .state("new")
        .terminal("paid")
        .transition("new", "paid")
        .guard({
            let stock = stock.clone();
            move |asked| {
                assert_eq!(
                    (asked.machine(), asked.from(), asked.to(), asked.trigger()),
                    ("order", "new", "paid", None)
                );
                let taken = stock.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                taken.map(|_| ()).map_err(|_| format!("no stock for {}", asked.entity()))
            }
        })
        .build()
        .unwrap();
    machine.entity("A").unwrap().to("paid").unwrap();
    let error = machine.entity("B").unwrap().to("paid").unwrap_err();
    assert_eq!((error.reason(), error.guard()), (Refusal::Guard, Some("no stock for B")));
    assert!(error.to_string().ends_with("from \"new\" to \"paid\": its guard refused: no stock for B"), "{error}");
    testing::assert_state_machine(&local.snapshot(), "order").in_state("new", 1).refused_as(Refusal::Guard, 1);
}

#[test]
fn of_several_transitions_on_a_trigger_the_first_whose_guard_agrees_is_made() {
    let local = local();
    let small = |asked: &GuardContext<'_>| if asked.entity().len() < 3 { Ok(()) } else { Err("big".into()) };
    let odd = |asked: &GuardContext<'_>| {
        if asked.entity().len() % 2 == 1 { Ok(()) } else { Err("even".into()) }
    };
    let machine = local
        .state_machine("sieve")
        .state("in")
        .terminal("small")
        .terminal("odd")
        .transition("in", "small")
        .on("sort")
        .guard(small)
        .transition("in", "odd")
        .on("sort")
        .guard(odd)
        .build()
        .unwrap();
    let sorted = |id: &str| machine.entity(id).unwrap().trigger("sort").map(|made| made.to().to_owned());
    assert_eq!([sorted("a").unwrap(), sorted("aaa").unwrap()], ["small", "odd"]);
    assert_eq!(sorted("aaaa").unwrap_err().guard(), Some("small: big; odd: even"));
}

#[test]
fn a_guard_runs_outside_of_all_locks() {
    let local = local();
    let seen = Arc::new(Mutex::new(None::<StateMachine>));
    let machine = {
        let (seen, local) = (seen.clone(), local.clone());
        light(&local.clone())
            .transition("red", "red")
            .guard(move |asked| {
                // Everything there is may be asked and done from inside.
                let machine = seen.lock().unwrap().clone().unwrap();
                machine.entity(&format!("{} of a guard", asked.entity())).unwrap().to("red").unwrap();
                assert_eq!(machine.existing(asked.entity()).unwrap().state(), "red");
                assert_eq!(machine.entities().len() as u64, machine.stats().entities);
                assert!(local.snapshot().to_string().contains("light"));
                machine.remove("somebody");
                light(&local).state("blue").build().unwrap_err();
                local.track("asked", |_| ());
                Ok(())
            })
            .build()
            .unwrap()
    };
    *seen.lock().unwrap() = Some(machine.clone());
    let entity = machine.entity("A").unwrap();
    entity.to("red").unwrap();
    local.scope(|| entity.to("red").unwrap());
    assert_eq!(machine.stats().entities, 2);
    assert_eq!(tests::stats(&local, "asked").succeeded, 1, "operations in a guard are recorded");
    *seen.lock().unwrap() = None;
}

#[test]
fn a_guard_that_panics_refuses_and_is_counted() {
    struct PanicsWhenDropped;
    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    let local = local();
    let machine = light(&local)
        .transition("red", "red")
        .guard(
            |asked| if asked.entity() == "A" { panic!("on purpose") } else { std::panic::panic_any(PanicsWhenDropped) },
        )
        .build()
        .unwrap();
    for id in ["A", "B"] {
        let entity = machine.entity(id).unwrap();
        entity.to("red").unwrap();
        let error = entity.to("red").unwrap_err();
        assert_eq!((error.reason(), error.guard()), (Refusal::Guard, Some("(the guard panicked)")));
        entity.to("green").unwrap();
    }
    let snapshot = local.snapshot();
    assert_eq!((snapshot.monitor().callbacks_panicked, machine.stats().guards_panicked), (2, 2));
    testing::assert_state_machine(&snapshot, "light").refused_as(Refusal::Guard, 2).in_state("green", 2);
}

#[test]
fn a_long_reason_of_a_guard_is_cut() {
    let machine = light(&local()).transition("red", "red").guard(|_| Err("ä".repeat(1_000_000))).build().unwrap();
    let entity = machine.entity("A").unwrap();
    entity.to("red").unwrap();
    let error = entity.to("red").unwrap_err();
    assert!(error.guard().is_some_and(|said| said.len() <= 256 && said.ends_with('…')));
}

/// A machine whose guard moves the entity itself, as often as it is told.
fn meddled(times: usize) -> (StateMachine, Entity, Arc<AtomicUsize>) {
    let (meddler, asked) = (Arc::new(Mutex::new(None::<Entity>)), Arc::new(AtomicUsize::new(0)));
    let machine = {
        let (meddler, asked) = (meddler.clone(), asked.clone());
        local()
            .state_machine("meddled")
            .state("a")
            .state("b")
            .transition("a", "b")
            .guard(move |_| {
                if asked.fetch_add(1, Ordering::SeqCst) < times {
                    meddler.lock().unwrap().as_ref().unwrap().trigger("turn").unwrap();
                }
                Ok(())
            })
            .transition("b", "a")
            .transition("a", "a")
            .on("turn")
            .build()
            .unwrap()
    };
    let entity = machine.entity("A").unwrap();
    *meddler.lock().unwrap() = Some(entity.clone());
    (machine, entity, asked)
}

#[test]
fn a_guard_is_asked_again_when_the_entity_moved_meanwhile() {
    let (machine, entity, asked) = meddled(3);
    assert_eq!(entity.to("b").unwrap().to(), "b");
    assert_eq!((asked.load(Ordering::SeqCst), machine.stats().refused_count()), (4, 0));
}

#[test]
fn an_entity_that_moves_again_and_again_is_refused_in_the_end() {
    let (machine, entity, asked) = meddled(usize::MAX);
    let error = entity.to("b").unwrap_err();
    assert_eq!((error.reason(), entity.state()), (Refusal::Changed, "a"));
    assert_eq!((asked.load(Ordering::SeqCst), machine.stats().refused_as(Refusal::Changed)), (8, 1));
}

#[test]
fn an_entity_that_its_guard_removes_is_refused_and_nobody_else_moves_for_it() {
    let seen = Arc::new(Mutex::new(None::<StateMachine>));
    let machine = {
        let seen = seen.clone();
        let builder = local().state_machine("removing").state("a").terminal("b").transition("a", "b");
        let builder = builder.guard(move |asked| {
            let machine = seen.lock().unwrap().clone().unwrap();
            machine.remove(asked.entity());
            // Takes the place that has become free.
            machine.entity("another").unwrap();
            if asked.entity() == "agreed" { Ok(()) } else { Err("no".into()) }
        });
        builder.build().unwrap()
    };
    *seen.lock().unwrap() = Some(machine.clone());
    for id in ["agreed", "not agreed"] {
        let entity = machine.entity(id).unwrap();
        assert_eq!(entity.to("b").unwrap_err().reason(), Refusal::Removed, "{id}");
    }
    let stats = machine.stats();
    assert_eq!((stats.transition_count(), stats.removed, stats.entities), (0, 2, 1));
    assert_eq!(machine.existing("another").unwrap().state(), "a");
}

#[test]
fn guards_that_ask_for_each_other_come_to_an_end() {
    let myself = Arc::new(Mutex::new(None::<Entity>));
    let deepest = Arc::new(Mutex::new(Vec::new()));
    let machine = {
        let (myself, deepest) = (myself.clone(), deepest.clone());
        local()
            .state_machine("circle")
            .state("a")
            .terminal("b")
            .transition("a", "b")
            .guard(move |_| {
                let entity = myself.lock().unwrap().clone().unwrap();
                let result = entity.to("b").map(|_| ()).map_err(|error| error.reason());
                deepest.lock().unwrap().push(result);
                Err("in a circle".into())
            })
            .build()
            .unwrap()
    };
    let entity = machine.entity("A").unwrap();
    *myself.lock().unwrap() = Some(entity.clone());
    assert_eq!(entity.to("b").unwrap_err().reason(), Refusal::Guard);
    let deepest = deepest.lock().unwrap().clone();
    assert_eq!((deepest.len(), deepest[0], deepest[1]), (8, Err(Refusal::Reentrant), Err(Refusal::Guard)));
}
