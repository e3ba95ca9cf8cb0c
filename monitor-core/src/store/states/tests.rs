use std::time::Duration;

use super::*;
use crate::base::clock::{Clock, ManualClock};
use crate::model::Refusal;

fn state(name: &str) -> DraftState {
    DraftState { name: name.into(), initial: false, terminal: false }
}

fn terminal(name: &str) -> DraftState {
    DraftState { terminal: true, ..state(name) }
}

fn arrow(from: &str, to: &str) -> DraftTransition {
    DraftTransition { from: from.into(), to: to.into(), trigger: None, guard: None }
}

fn draft(name: &str, states: Vec<DraftState>, transitions: Vec<DraftTransition>) -> Draft {
    Draft { states, transitions, ..Draft::new(name.into()) }
}

fn lamp() -> Draft {
    draft(
        "lamp",
        vec![state("off"), state("on"), terminal("broken")],
        vec![arrow("off", "on"), arrow("on", "off"), arrow("on", "broken")],
    )
}

fn faults(draft: Draft) -> Vec<String> {
    draft.check().err().map(|(_, faults)| faults).unwrap_or_default()
}

fn made(stepped: &Stepped) -> bool {
    matches!(stepped, Stepped::Made(_))
}

#[test]
fn all_faults_of_a_definition_are_found_at_once() {
    let all = faults(draft(
        "",
        vec![state("a"), state("a"), state(""), terminal("end")],
        vec![arrow("a", "nowhere"), arrow("a", "end"), arrow("a", "end"), arrow("end", "a")],
    ));
    let expected = [
        "the name of a state machine is empty; allowed are 1 to 200 bytes",
        "the name of a state is empty",
        "state \"a\" is declared twice",
        "names the state \"nowhere\", which is not declared",
        "the transition from \"a\" to \"end\" is declared twice",
        "the transition from \"end\" to \"a\" leaves a terminal state",
    ];
    assert_eq!(all.len(), expected.len(), "{all:#?}");
    for fault in expected {
        assert!(all.iter().any(|found| found.contains(fault)), "{fault} is not in {all:#?}");
    }
}

#[test]
fn a_definition_that_leads_nowhere_is_refused() {
    let two = || vec![state("a"), state("b")];
    for (states, transitions, fault) in [
        (Vec::new(), Vec::new(), "there is no initial state"),
        (vec![terminal("a")], Vec::new(), "the initial state \"a\" is terminal"),
        (two(), vec![arrow("a", "b")], "state \"b\" has no way out"),
        (two(), vec![arrow("a", "b"), arrow("b", "b")], "state \"b\" has no way out"),
        (two(), vec![arrow("a", "a"), arrow("b", "a")], "state \"b\" is never reached from the initial one"),
        (
            vec![DraftState { initial: true, ..state("a") }, DraftState { initial: true, ..state("b") }],
            vec![arrow("a", "b"), arrow("b", "a")],
            "\"b\" is a second initial state",
        ),
    ] {
        let found = faults(draft("m", states, transitions));
        assert!(found.iter().any(|found| found.contains(fault)), "{fault} is not in {found:#?}");
    }
}

#[test]
fn a_transition_that_an_earlier_one_hides_is_refused() {
    let on = |to: &str, guard: bool| DraftTransition {
        trigger: Some("go".into()),
        guard: guard.then(|| Arc::new(|_: &GuardContext<'_>| Ok(())) as Guard),
        ..arrow("a", to)
    };
    let states = || vec![state("a"), terminal("b"), terminal("c")];
    let hidden = faults(draft("m", states(), vec![on("b", false), on("c", false)]));
    assert!(hidden[0].contains("from \"a\" to \"c\" on \"go\" is never made"), "{hidden:?}");
    assert!(faults(draft("m", states(), vec![on("b", true), on("c", false)])).is_empty());
    assert!(faults(draft("m", states(), vec![arrow("a", "b"), arrow("a", "c")])).is_empty());
}

#[test]
fn what_is_over_a_cap_is_a_fault_and_long_texts_are_cut() {
    let mut many = Draft::new("m".repeat(1_000_000));
    for number in 0..10_000 {
        many.add_state(state(&format!("{number}")));
        many.add_transition(arrow("0", &"x".repeat(10_000)));
    }
    many.max_entities = 0;
    assert_eq!((many.states.len(), many.transitions.len()), (64, 1_024));
    let found = faults(many);
    assert_eq!(found.len(), 21);
    assert!(found.iter().all(|fault| fault.len() <= 500) && found[20].starts_with("and "), "{found:#?}");
}

#[test]
fn equal_definitions_are_one_machine_and_different_ones_are_refused() {
    let machines = StateMachines::default();
    let lamp_again = || lamp().check().ok().unwrap();
    let first = machines.register(lamp_again()).ok().unwrap();
    assert!(Arc::ptr_eq(&first, &machines.register(lamp_again()).ok().unwrap()));

    let different = |change: &dyn Fn(&mut Draft)| {
        let mut draft = lamp();
        change(&mut draft);
        match machines.register(draft.check().ok().unwrap()) {
            Err(NotRegistered::Different(what)) => what,
            _ => "nothing",
        }
    };
    assert_eq!(different(&|_| ()), "nothing");
    assert_eq!(different(&|draft| draft.max_entities = 5), "max_entities");
    assert_eq!(different(&|draft| draft.stuck_after = NEVER), "times after which an entity is stuck");
    assert_eq!(different(&|draft| draft.states[1].initial = true), "initial state");
    assert_eq!(different(&|draft| draft.transitions[0].trigger = Some("switch".into())), "transitions");
    assert_eq!(different(&|draft| draft.transitions[0].guard = Some(Arc::new(|_| Ok(())))), "guarded transitions");
    let renamed = different(&|draft| {
        draft.states[2].name = "burnt".into();
        draft.transitions[2].to = "burnt".into();
    });
    assert_eq!(renamed, "states");
    assert_eq!(different(&|draft| draft.transitions.push(arrow("off", "broken"))), "transitions");
}

#[test]
fn there_are_no_more_machines_than_may_be() {
    let machines = StateMachines::default();
    let of = |number: usize| draft(&format!("lamp {number}"), lamp().states, lamp().transitions).check().ok().unwrap();
    for number in 0..MAX_MACHINES {
        assert!(machines.register(of(number)).is_ok());
    }
    assert!(matches!(machines.register(of(MAX_MACHINES)), Err(NotRegistered::Full)));
    assert!(machines.register(of(7)).is_ok(), "one that is known is found");
}

#[test]
fn places_of_entities_that_have_gone_are_used_again() {
    let (manual, machine) = (ManualClock::new(), Machine::new(lamp().check().ok().unwrap()));
    let clock = Clock::manual(&manual);
    for round in 0..1_000 {
        let cell = machine.entity("only", clock.ticks()).unwrap();
        let (on, broken) = (Wanted::State(1), Wanted::State(2));
        assert!(made(&machine.step(&cell, on, &clock, clock.ticks())));
        if round % 2 == 0 {
            assert!(machine.remove("only"));
        } else {
            assert!(made(&machine.step(&cell, broken, &clock, clock.ticks())));
        }
    }
    let inner = machine.inner.lock();
    assert_eq!((inner.slots.len(), inner.ended.len(), inner.recent.len()), (1, 256, 64));
    assert_eq!((inner.figures.ended, inner.figures.ended_dropped), (500, 244));
}

#[test]
fn a_handle_of_an_earlier_life_does_not_reach_the_later_one() {
    let (clock, machine) = (Clock::manual(&ManualClock::new()), Machine::new(lamp().check().ok().unwrap()));
    let earlier = machine.entity("a", clock.ticks()).unwrap();
    machine.remove("a");
    let later = machine.entity("a", clock.ticks()).unwrap();
    assert!(machine.step_if(&earlier, earlier.status(), 0, &clock, clock.ticks()).is_none());
    assert_eq!(machine.read(&clock.anchor()).transition_count(), 0);
    let stepped = machine.step(&earlier, Wanted::State(1), &clock, clock.ticks());
    assert!(matches!(stepped, Stepped::Refused(0, Refusal::Removed)));
    let number = 0;
    assert!(machine.step_if(&earlier, later.status(), number, &clock, clock.ticks()).is_none());
    assert_eq!((later.status().state(), machine.history(&earlier).len()), (0, 0));
}

#[test]
fn a_transition_that_a_guard_agreed_to_is_not_made_once_the_entity_has_moved() {
    let (clock, machine) = (Clock::manual(&ManualClock::new()), Machine::new(lamp().check().ok().unwrap()));
    let cell = machine.entity("a", clock.ticks()).unwrap();
    let seen = cell.status();
    // There and back: the state is the one that was seen, but not the same stay in it.
    assert!(made(&machine.step(&cell, Wanted::State(1), &clock, clock.ticks())));
    assert!(made(&machine.step(&cell, Wanted::State(0), &clock, clock.ticks())));
    assert_eq!(cell.status().state(), seen.state());
    assert!(machine.step_if(&cell, seen, 0, &clock, clock.ticks()).is_none());
    assert!(machine.step_if(&cell, cell.status(), 0, &clock, clock.ticks()).is_some());
}

#[test]
fn readings_of_the_clock_that_come_in_the_wrong_order_do_not_turn_time_back() {
    let manual = ManualClock::new();
    let (clock, machine) = (Clock::manual(&manual), Machine::new(lamp().check().ok().unwrap()));
    let early = clock.ticks();
    manual.advance(Duration::from_secs(1));
    let late = clock.ticks();
    let cell = machine.entity("a", late).unwrap();
    assert!(made(&machine.step(&cell, Wanted::State(1), &clock, early)));
    let steps = machine.history(&cell);
    assert_eq!((steps[0].at, steps[0].stayed_ns), (late, 0));
}

#[test]
fn a_limit_for_a_state_where_nothing_stays_is_refused() {
    let limited = |state: &str| faults(Draft { stuck_after_in: vec![(state.into(), Duration::ZERO)], ..lamp() });
    assert!(limited("broken")[0].contains("\"broken\", whose stuck_after is set, is terminal"));
    assert!(limited("burnt")[0].contains("\"burnt\", whose stuck_after is set, is not declared"));
    assert!(limited("on").is_empty());
}

#[test]
fn a_limit_beyond_what_the_clock_can_tell_is_never() {
    let limits = |limit| {
        let definition = Draft { stuck_after: limit, ..lamp() }.check().ok().unwrap();
        definition.states.iter().map(|state| state.stuck_after).collect::<Vec<_>>()
    };
    let hour = Duration::from_hours(1);
    assert_eq!(limits(hour), [Some(hour), Some(hour), None]);
    assert_eq!(limits(Duration::MAX), [None; 3]);
    assert_eq!(limits(Duration::ZERO), [Some(Duration::ZERO), Some(Duration::ZERO), None]);
}

#[test]
fn the_lists_of_a_reader_hold_the_earliest_of_many() {
    let manual = ManualClock::new();
    let (clock, machine) = (Clock::manual(&manual), Machine::new(lamp().check().ok().unwrap()));
    for number in 0..500_u32 {
        machine.entity(&format!("{:03}", (number * 7) % 500), clock.ticks()).unwrap();
        manual.advance(Duration::from_secs(1));
    }
    manual.advance(Duration::from_mins(15));
    // The one that began last is exactly 15 minutes and a second old.
    let stats = machine.read(&clock.anchor());
    assert_eq!((stats.stuck_entities, stats.stuck.len(), stats.oldest.len()), (500, 100, 100));
    let expected: Vec<_> = (0..100).map(|number| format!("{:03}", (number * 7) % 500)).collect();
    assert_eq!(stats.oldest.iter().map(|entity| entity.id.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(stats.stuck.iter().map(|entity| entity.id.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(machine.entities(&clock.anchor()).len(), 500);
}
